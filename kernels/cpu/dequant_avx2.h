// SPDX-License-Identifier: GPL-3.0-or-later
// Dequantisation only for CPUs with AVX2 and F16C, which kernels/cpu/dequant.cpp checks.
#pragma once

#include "kernels/cpu/dequant.h"

namespace headscope::kernels::avx2 {

void dequantise(QuantType type, const void* data, std::size_t count, float* out);
void narrow_to_bf16(const float* in, std::size_t count, std::uint16_t* out);
void narrow_to_f16(const float* in, std::size_t count, std::uint16_t* out);
std::size_t first_from(const float* values, std::size_t count, std::uint32_t magnitude);

} // namespace headscope::kernels::avx2
