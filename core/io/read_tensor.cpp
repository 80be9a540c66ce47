// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/read_tensor.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <optional>
#include <system_error>
#include <thread>

#include "kernels/cpu/dequant.h"

namespace headscope::io {
namespace {

// Elements converted at a time: a multiple of every block size, small enough for the cache.
constexpr std::uint64_t step = 16384;
// Stored bytes after which a thread gives its pages back.
constexpr std::uint64_t drop_after = 4 << 20;

struct Source {
  std::size_t block_size = 1, block_bytes = 0;
  std::optional<kernels::QuantType> quant; // none: float64
};

std::optional<Source> source_of(const std::string& dtype) {
  for (std::uint32_t type = 0; type <= 30; ++type) {
    const auto* layout = kernels::quant_layout(type);
    if (layout && dtype == layout->name)
      return Source{layout->block_size, layout->block_bytes, static_cast<kernels::QuantType>(type)};
  }
  if (dtype == "F64") return Source{1, 8, std::nullopt};
  return std::nullopt;
}

double load_double(const std::uint8_t* stored) {
  double value;
  std::memcpy(&value, stored, 8);
  return value;
}

void to_float(const Source& source, const std::uint8_t* stored, std::size_t count, float* out) {
  if (source.quant) return kernels::dequantise(*source.quant, stored, count, out);
  for (std::size_t i = 0; i < count; ++i)
    out[i] = static_cast<float>(load_double(stored + 8 * i));
}

std::uint32_t infinite(ElementType type) {
  if (type == ElementType::bf16) return kernels::infinite_bf16;
  return type == ElementType::f16 ? kernels::infinite_f16 : kernels::infinite_f32;
}

// One conversion, shared by its threads; elements are counted from the first one that is read.
struct Job {
  const MappedFile& file;
  const Source& source;
  std::uint64_t offset; // of the first element in the file
  std::uint64_t elements;
  void* out;
  ElementType type;
  std::atomic<std::uint64_t> first_bad{UINT64_MAX};

  std::uint64_t place(std::uint64_t element) const { return offset + element / source.block_size * source.block_bytes; }

  void convert(std::uint64_t begin, std::size_t count, float* scratch) {
    float* floats = type == ElementType::f32 ? static_cast<float*>(out) + begin : scratch;
    to_float(source, file.bytes().data() + place(begin), count, floats);
    const std::size_t bad = kernels::first_from(floats, count, infinite(type));
    if (bad != count) {
      std::uint64_t known = first_bad.load();
      while (begin + bad < known && !first_bad.compare_exchange_weak(known, begin + bad)) {
      }
    }
    if (type == ElementType::bf16) kernels::narrow_to_bf16(floats, count, static_cast<std::uint16_t*>(out) + begin);
    if (type == ElementType::f16) kernels::narrow_to_f16(floats, count, static_cast<std::uint16_t*>(out) + begin);
  }

  void work(std::uint64_t begin, std::uint64_t end) {
    std::array<float, step> scratch;
    std::uint64_t dropped = place(begin);
    for (std::uint64_t at = begin; at < end; at += step) {
      const std::uint64_t done = std::min(at + step, end);
      convert(at, static_cast<std::size_t>(done - at), scratch.data());
      if (done != end && place(done) - dropped < drop_after) continue;
      file.drop(dropped, place(done) - dropped);
      dropped = place(done);
    }
  }

  // The element's own value, before it was rounded to anything.
  double value(std::uint64_t element) const {
    std::array<float, 256> block{};
    const std::uint8_t* stored = file.bytes().data() + place(element);
    if (!source.quant) return load_double(stored);
    kernels::dequantise(*source.quant, stored, source.block_size, block.data());
    return block[element % source.block_size];
  }
};

void run(Job& job, int threads) {
  const std::uint64_t steps = (job.elements + step - 1) / step;
  const std::uint64_t cores =
      threads > 0 ? static_cast<std::uint64_t>(threads) : std::max(1u, std::thread::hardware_concurrency());
  const std::uint64_t workers = std::clamp<std::uint64_t>(steps / 8, 1, cores); // a thread is worth 128k elements
  const std::uint64_t share = (steps + workers - 1) / workers * step;
  const auto part = [&job, share](std::uint64_t i) {
    job.work(std::min(i * share, job.elements), std::min((i + 1) * share, job.elements));
  };
  std::vector<std::thread> others;
  others.reserve(workers);
  std::uint64_t started = 1;
  try {
    for (; started < workers; ++started)
      others.emplace_back(part, started);
  } catch (const std::system_error&) { // the system gives no more threads: the rest is done here
  }
  part(0);
  for (; started < workers; ++started)
    part(started);
  for (std::thread& thread : others)
    thread.join();
}

Error bad_value(double value, ElementType type, std::uint64_t element, const std::string& file,
                const std::string& tensor) {
  const std::string place = " at element " + std::to_string(element);
  if (std::isnan(value)) return make_error(ErrorCode::corrupt, "holds NaN" + place, file, tensor);
  if (std::isinf(value)) return make_error(ErrorCode::corrupt, "holds infinity" + place, file, tensor);
  const bool wide = type == ElementType::f32;
  return make_error(ErrorCode::unsupported,
                    "holds " + std::to_string(value) + place + ", too large for " +
                        (wide                       ? "float32"
                         : type == ElementType::f16 ? "float16"
                                                    : "bfloat16") +
                        (wide ? "" : "; load the model as float32"),
                    file, tensor);
}

} // namespace

Status read_tensor(const MappedFile& file, const TensorInfo& info, std::uint64_t first, std::uint64_t count, void* out,
                   ElementType type, int threads) {
  const std::optional<Source> source = source_of(info.dtype);
  if (!source)
    return make_error(ErrorCode::unsupported, "is stored as " + info.dtype + ", which is no weight type", file.path(),
                      info.name);
  if (first % source->block_size != 0 || count % source->block_size != 0)
    return make_error(ErrorCode::invalid_argument, "a block of " + info.dtype + " cannot be read in part", file.path(),
                      info.name);
  Job job{file, *source, info.offset + first / source->block_size * source->block_bytes, count, out, type};
  file.will_read(job.offset, job.place(count) - job.offset);
  run(job, threads);
  Status status;
  if (const std::uint64_t bad = job.first_bad.load(); bad != UINT64_MAX)
    status = bad_value(job.value(bad), type, first + bad, file.path(), info.name);
  file.drop(info.offset, info.bytes); // the pages that the threads shared
  return status;
}

} // namespace headscope::io
