// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cuda/module.h"

#include <cuda_runtime_api.h>

namespace {

namespace hk = headscope::kernels::cuda;

int use_device(int index) { return static_cast<int>(cudaSetDevice(index)); }
const char* describe(int error) { return cudaGetErrorString(static_cast<cudaError_t>(error)); }

} // namespace

extern "C" __attribute__((visibility("default"))) const hk::Module* headscope_cuda_module() {
  static const hk::Module module = {hk::module_version,
                                    use_device,
                                    describe,
                                    hk::can_run,
                                    hk::attention_lse,
                                    hk::attention_bound,
                                    hk::attention_statistics,
                                    hk::rms_norm,
                                    hk::gated,
                                    hk::rotary,
                                    hk::split_halves,
                                    hk::split_activated,
                                    hk::add_rows,
                                    hk::can_run_sparse,
                                    hk::sparse_attention,
                                    hk::can_run_hip,
                                    hk::hip_keys,
                                    hk::can_choose_blocks,
                                    hk::choose_blocks};
  return &module;
}
