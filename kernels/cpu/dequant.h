// SPDX-License-Identifier: GPL-3.0-or-later
// Turns rows of GGUF blocks into floats. Raw pointers; `count` is a multiple of the type's block size.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant_type.h"

namespace headscope::kernels {

// The plain form, block by block: the truth that the fast one is tested against.
void dequantise_reference(QuantType type, const void* blocks, std::size_t count, float* out);

// The fast form; equal to the reference bit for bit.
void dequantise(QuantType type, const void* blocks, std::size_t count, float* out);

// Float rows to 16 bits.
void narrow_to_bf16(const float* in, std::size_t count, std::uint16_t* out);
void narrow_to_f16(const float* in, std::size_t count, std::uint16_t* out);

// Index of the first NaN or infinity, or count.
std::size_t first_not_finite(const float* values, std::size_t count);

} // namespace headscope::kernels
