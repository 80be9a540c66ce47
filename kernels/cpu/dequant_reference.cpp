// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cpu/dequant.h"
#include "kernels/cpu/dequant_blocks.h"

namespace headscope::kernels {

void dequantise_reference(QuantType type, const void* data, std::size_t count, float* out) {
  blocks::dispatch(type, data, count, out);
}

} // namespace headscope::kernels
