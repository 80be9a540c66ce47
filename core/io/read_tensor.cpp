// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/read_tensor.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <optional>
#include <thread>

#include "kernels/cpu/dequant.h"

namespace headscope::io {
namespace {

// Elements converted at a time: a multiple of every block size, small enough for the cache.
constexpr std::uint64_t step = 16384;

struct Source {
  std::size_t block_size = 1, block_bytes = 0;
  std::optional<kernels::QuantType> quant;
  bool f64 = false;
};

std::optional<Source> source_of(const std::string& dtype) {
  for (std::uint32_t type = 0; type <= 30; ++type) {
    const auto* layout = kernels::quant_layout(type);
    if (layout && dtype == layout->name)
      return Source{layout->block_size, layout->block_bytes, static_cast<kernels::QuantType>(type), false};
  }
  if (dtype == "F64") return Source{1, 8, std::nullopt, true};
  return std::nullopt;
}

void to_float(const Source& source, const std::uint8_t* stored, std::size_t count, float* out) {
  if (!source.f64) return kernels::dequantise(*source.quant, stored, count, out);
  for (std::size_t i = 0; i < count; ++i) {
    double value;
    std::memcpy(&value, stored + 8 * i, 8);
    out[i] = static_cast<float>(value);
  }
}

struct Job {
  const Source& source;
  std::span<const std::uint8_t> stored;
  void* out;
  ElementType type;
  std::uint64_t elements;
  std::atomic<std::uint64_t> first_bad{UINT64_MAX};

  // One step; false when it holds something that is no number.
  void convert(std::uint64_t begin, float* scratch) {
    const auto count = static_cast<std::size_t>(std::min(step, elements - begin));
    float* floats = type == ElementType::f32 ? static_cast<float*>(out) + begin : scratch;
    to_float(source, stored.data() + begin / source.block_size * source.block_bytes, count, floats);
    const std::size_t bad = kernels::first_not_finite(floats, count);
    if (bad != count) {
      std::uint64_t known = first_bad.load();
      while (begin + bad < known && !first_bad.compare_exchange_weak(known, begin + bad)) {
      }
    }
    if (type == ElementType::bf16) kernels::narrow_to_bf16(floats, count, static_cast<std::uint16_t*>(out) + begin);
    if (type == ElementType::f16) kernels::narrow_to_f16(floats, count, static_cast<std::uint16_t*>(out) + begin);
  }

  void work(std::uint64_t begin, std::uint64_t end) {
    std::vector<float> scratch(type == ElementType::f32 ? 0 : step);
    for (std::uint64_t at = begin; at < end; at += step)
      convert(at, scratch.data());
  }
};

} // namespace

Status read_tensor(const TensorInfo& info, std::span<const std::uint8_t> stored, void* out, ElementType type,
                   int threads, const std::string& file) {
  const std::optional<Source> source = source_of(info.dtype);
  if (!source)
    return make_error(ErrorCode::unsupported, "is stored as " + info.dtype + ", which is no weight type", file,
                      info.name);
  Job job{*source, stored, out, type, static_cast<std::uint64_t>(info.elements())};
  const std::uint64_t steps = (job.elements + step - 1) / step;
  const std::uint64_t cores =
      threads > 0 ? static_cast<std::uint64_t>(threads) : std::max(1u, std::thread::hardware_concurrency());
  const std::uint64_t workers = std::clamp<std::uint64_t>(steps / 8, 1, cores); // a thread is worth 128k elements
  const std::uint64_t share = (steps + workers - 1) / workers * step;
  std::vector<std::thread> others;
  for (std::uint64_t i = 1; i < workers; ++i)
    others.emplace_back(
        [&job, i, share] { job.work(std::min(i * share, job.elements), std::min((i + 1) * share, job.elements)); });
  job.work(0, std::min(share, job.elements));
  for (std::thread& thread : others)
    thread.join();
  if (job.first_bad.load() == UINT64_MAX) return {};
  return make_error(ErrorCode::corrupt, "holds NaN or infinity at element " + std::to_string(job.first_bad.load()),
                    file, info.name);
}

} // namespace headscope::io
