// SPDX-License-Identifier: GPL-3.0-or-later
// libheadscope_cuda.so, opened once when it is first asked for: beside the program, in ../lib of it, or where the
// system looks for libraries.
#pragma once

#include "kernels/cuda/module.h"

namespace headscope {

// Null where there is none, or one of another version. Needs no GPU to be asked.
const kernels::cuda::Module* cuda_module();

} // namespace headscope
