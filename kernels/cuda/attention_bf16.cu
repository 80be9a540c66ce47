// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cuda/attention_kernels.cuh"

namespace headscope::kernels::cuda {

cudaError_t launch_bf16(AttentionPass pass, const AttentionParams& params, int batch, cudaStream_t stream) {
  return launch_type<__nv_bfloat16>(pass, params, batch, stream);
}

} // namespace headscope::kernels::cuda
