// SPDX-License-Identifier: GPL-3.0-or-later
// Turns rows of GGUF blocks into floats. Uses raw pointers; `count` is a multiple of the type's block size.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant_type.h"

namespace headscope::kernels {

// The plain form, block by block: the reference that the fast one is tested against.
void dequantise_reference(QuantType type, const void* blocks, std::size_t count, float* out);

// The fast form, equal to the reference bit for bit.
void dequantise(QuantType type, const void* blocks, std::size_t count, float* out);

// Round rows of floats to 16 bits.
void narrow_to_bf16(const float* in, std::size_t count, std::uint16_t* out);
void narrow_to_f16(const float* in, std::size_t count, std::uint16_t* out);

// Bit patterns of the smallest magnitudes that are infinite, as float32 or after rounding to 16 bits; NaN is above them
// all.
constexpr std::uint32_t infinite_f32 = 0x7f800000u, infinite_bf16 = 0x7f7f8000u, infinite_f16 = 0x477ff000u;

// The index of the first value whose magnitude has at least these bits, or `count`.
std::size_t first_from(const float* values, std::size_t count, std::uint32_t magnitude);

} // namespace headscope::kernels
