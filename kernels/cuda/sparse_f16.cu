// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cuda/sparse_kernels.cuh"

namespace headscope::kernels::cuda {

cudaError_t launch_sparse_f16(const SparseParams& params, int batch, cudaStream_t stream) {
  return launch_sparse<__half>(params, batch, stream);
}

} // namespace headscope::kernels::cuda
