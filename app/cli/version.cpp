// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/version.h"

#include "app/runs/result_parts.h"
#include "core/engine/cuda_module.h"
#include "core/engine/device.h"
#include "core/store/result_file.h"

namespace headscope::cli {

namespace {

std::string describe_kernels() {
  const CudaModuleState& module = cuda_module_state();
  switch (module.kind) {
  case CudaModuleState::Kind::loaded: return "CUDA kernels: loaded";
  case CudaModuleState::Kind::refused: return "CUDA kernels: " + module.file + " is not used: " + module.reason;
  case CudaModuleState::Kind::absent: break;
  }
  return "CUDA kernels: none beside the program";
}

} // namespace

std::string version_text() {
  return "headscope " + headscope_version() + "\nLibTorch " + libtorch_version() + "\nHDF5 " + store::hdf5_version() +
         "\n" + describe_cuda() + "\n" + describe_kernels();
}

} // namespace headscope::cli
