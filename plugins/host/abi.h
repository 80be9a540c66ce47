// SPDX-License-Identifier: GPL-3.0-or-later
// What a module must have been compiled with to be opened, since C++ objects cross its boundary.
#pragma once

#include <string>

namespace headscope::plugin {

struct AbiTag {
  std::string libtorch; // "2.11.0"
  std::string cuda;     // that LibTorch was built with: "13.0", or "none"
  std::string compiler; // kind and major version: "GNU 12"
};

// The tag of this program.
const AbiTag& own_abi();

// Says "was built for LibTorch 2.10.0, this is Headscope with LibTorch 2.11.0", …; empty when they are the same.
std::string difference(const AbiTag& module, const AbiTag& own);

} // namespace headscope::plugin
