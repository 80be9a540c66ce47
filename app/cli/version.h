// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

namespace headscope::cli {

// The lines of `headscope --version`: Headscope, LibTorch, HDF5, and whether there is CUDA.
std::string version_text();

} // namespace headscope::cli
