// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cpu/dequant.h"

#include "kernels/cpu/float_types.h"

#if defined(__x86_64__)
#include "kernels/cpu/dequant_avx2.h"
#endif

namespace headscope::kernels {
namespace {

[[maybe_unused]] bool has_avx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c");
#else
  return false;
#endif
}

} // namespace

void dequantise(QuantType type, const void* blocks, std::size_t count, float* out) {
#if defined(__x86_64__)
  if (has_avx2()) return avx2::dequantise(type, blocks, count, out);
#endif
  dequantise_reference(type, blocks, count, out);
}

void narrow_to_bf16(const float* in, std::size_t count, std::uint16_t* out) {
#if defined(__x86_64__)
  if (has_avx2()) return avx2::narrow_to_bf16(in, count, out);
#endif
  for (std::size_t i = 0; i < count; ++i)
    out[i] = float_to_bf16(in[i]);
}

void narrow_to_f16(const float* in, std::size_t count, std::uint16_t* out) {
#if defined(__x86_64__)
  if (has_avx2()) return avx2::narrow_to_f16(in, count, out);
#endif
  for (std::size_t i = 0; i < count; ++i)
    out[i] = float_to_f16(in[i]);
}

std::size_t first_from(const float* values, std::size_t count, std::uint32_t magnitude) {
#if defined(__x86_64__)
  if (has_avx2()) return avx2::first_from(values, count, magnitude);
#endif
  std::size_t i = 0;
  while (i < count && (float_to_bits(values[i]) & 0x7fffffffu) < magnitude)
    ++i;
  return i;
}

} // namespace headscope::kernels
