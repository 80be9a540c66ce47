// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cuda/sparse_kernels.cuh"

namespace headscope::kernels::cuda {

cudaError_t launch_sparse_bf16(const SparseParams& params, int batch, cudaStream_t stream) {
  return launch_sparse<__nv_bfloat16>(params, batch, stream);
}

} // namespace headscope::kernels::cuda
