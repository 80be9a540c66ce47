// SPDX-License-Identifier: GPL-3.0-or-later
// Turns GGUF blocks into floats on the GPU, equal bit for bit to kernels/cpu/dequant.h. No CUDA header is needed to
// call it.
#pragma once

#include <cstddef>

#include "kernels/quant_type.h"

namespace headscope::kernels::cuda {

enum class Output { f32, bf16, f16 };

// blocks and out: device memory, out aligned to its element. count: a multiple of the type's block size. Runs on
// `stream` (a cudaStream_t, null: the default one) and returns at once: 0 or the cudaError_t of the launch.
int dequantise(QuantType type, const void* blocks, std::size_t count, Output output, void* out, void* stream);

} // namespace headscope::kernels::cuda
