// SPDX-License-Identifier: GPL-3.0-or-later
// libheadscope_cuda.so, opened once when it is first asked for: beside the program, in ../lib of it, or where the
// system looks for libraries.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/cuda/module.h"

namespace headscope {

// Null where there is none, or one that cannot be opened or is of another version, of which a warning tells once. Needs
// no GPU to be asked.
const kernels::cuda::Module* cuda_module();

// What became of it.
struct CudaModuleState {
  enum class Kind : std::uint8_t { loaded, absent, refused } kind = Kind::absent;
  std::string file;   // that was loaded or refused
  std::string reason; // of what was refused: why
};
// Opens it, as above.
const CudaModuleState& cuda_module_state();

} // namespace headscope
