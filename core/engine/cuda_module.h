// SPDX-License-Identifier: GPL-3.0-or-later
// libheadscope_cuda.so, opened once when first needed: from the program's folder, from ../lib beside it, or from the
// system's library folders.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/cuda/module.h"

namespace headscope {

// Returns null where there is no module, or where it cannot be opened or has another version, which is warned of once.
// Can be called without a GPU.
const kernels::cuda::Module* cuda_module();

// The outcome of opening the module.
struct CudaModuleState {
  enum class Kind : std::uint8_t { loaded, absent, refused } kind = Kind::absent;
  std::string file;   // that was loaded or refused
  std::string reason; // of what was refused: why
};
// Opens the module as above and says how that went.
const CudaModuleState& cuda_module_state();

} // namespace headscope
