// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/read_tensor.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <optional>

#include "kernels/cpu/dequant.h"

namespace headscope::io {
namespace {

// How many elements are converted at a time: a multiple of every block size, small enough for the cache.
constexpr std::uint64_t step = 16384;

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
  const ReadRequest& request;
  std::uint64_t offset; // of the first element in the file
  std::atomic<std::uint64_t> first_bad{UINT64_MAX};

  std::uint64_t place(std::uint64_t element) const { return offset + element / source.block_size * source.block_bytes; }

  // Converts elements [begin, begin + count), in the order of the file, into those from `to` on.
  void convert(std::uint64_t begin, std::size_t count, std::uint64_t to, float* scratch) {
    const ElementType type = request.type;
    float* floats = type == ElementType::f32 ? static_cast<float*>(request.out) + to : scratch;
    to_float(source, file.bytes().data() + place(begin), count, floats);
    const std::size_t bad = kernels::first_from(floats, count, infinite(type));
    if (bad != count) {
      std::uint64_t known = first_bad.load();
      while (begin + bad < known && !first_bad.compare_exchange_weak(known, begin + bad)) {
      }
    }
    if (type == ElementType::bf16)
      kernels::narrow_to_bf16(floats, count, static_cast<std::uint16_t*>(request.out) + to);
    if (type == ElementType::f16) kernels::narrow_to_f16(floats, count, static_cast<std::uint16_t*>(request.out) + to);
  }

  // The same, with each row moved to its place.
  void convert_rows(std::uint64_t begin, std::size_t count, float* scratch) {
    if (request.row_order.empty()) return convert(begin, count, begin, scratch);
    const std::uint64_t length = request.count / request.row_order.size(), end = begin + count;
    for (std::uint64_t at = begin; at < end;) {
      const std::uint64_t row = at / length, in_row = at % length, some = std::min(length - in_row, end - at);
      convert(at, some, static_cast<std::uint64_t>(request.row_order[row]) * length + in_row, scratch);
      at += some;
    }
  }

  void work(std::uint64_t begin, std::uint64_t end) {
    std::array<float, step> scratch;
    for (std::uint64_t at = begin; at < end; at += step) {
      const std::uint64_t done = std::min(at + step, end);
      convert_rows(at, static_cast<std::size_t>(done - at), scratch.data());
      file.have_read(place(done) - place(at));
    }
  }

  // The element's value before any rounding.
  double value(std::uint64_t element) const {
    std::array<float, 256> block{};
    const std::uint8_t* stored = file.bytes().data() + place(element);
    if (!source.quant) return load_double(stored);
    kernels::dequantise(*source.quant, stored, source.block_size, block.data());
    return block[element % source.block_size];
  }
};

void run(Job& job, Workers& workers) {
  const std::uint64_t elements = job.request.count, steps = (elements + step - 1) / step;
  const std::uint64_t shares = std::clamp<std::uint64_t>(steps / 8, 1, workers.count()); // one is worth 128k elements
  const std::uint64_t share = (steps + shares - 1) / shares * step;
  workers.run(shares, [&job, share, elements](std::uint64_t i) {
    job.work(std::min(i * share, elements), std::min((i + 1) * share, elements));
  });
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

Status check_readable(const TensorInfo& info, const std::string& file) {
  if (source_of(info.dtype)) return {};
  return make_error(ErrorCode::unsupported,
                    "is stored as " + info.dtype +
                        ", which is no weight type that Headscope reads; it reads F64 F32 F16 BF16 Q4_0 Q4_1 Q5_0 "
                        "Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL",
                    file, info.name);
}

Status read_tensor(const MappedFile& file, const TensorInfo& info, const ReadRequest& request, Workers& workers) {
  HS_TRY(check_readable(info, file.path()));
  const std::optional<Source> source = source_of(info.dtype);
  const std::uint64_t rows = std::max<std::uint64_t>(request.row_order.size(), 1);
  if (request.first % source->block_size != 0 || request.count % (source->block_size * rows) != 0)
    return make_error(ErrorCode::invalid_argument, "a block of " + info.dtype + " cannot be read in part", file.path(),
                      info.name);
  Job job{file, *source, request, info.offset + request.first / source->block_size * source->block_bytes};
  file.will_read(job.offset, job.place(request.count) - job.offset);
  run(job, workers);
  Status status;
  if (const std::uint64_t bad = job.first_bad.load(); bad != UINT64_MAX)
    status = bad_value(job.value(bad), request.type, request.first + bad, file.path(), info.name);
  return status;
}

} // namespace headscope::io
