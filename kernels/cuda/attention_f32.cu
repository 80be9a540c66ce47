// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cuda/attention_kernels.cuh"

namespace headscope::kernels::cuda {

cudaError_t launch_f32(AttentionPass pass, const AttentionParams& params, int batch, cudaStream_t stream) {
  return launch_type<float>(pass, params, batch, stream);
}

} // namespace headscope::kernels::cuda
