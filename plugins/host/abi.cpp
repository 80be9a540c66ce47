// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/host/abi.h"

namespace headscope::plugin {

const AbiTag& own_abi() {
  static const AbiTag tag = {HEADSCOPE_ABI_LIBTORCH, HEADSCOPE_ABI_CUDA, HEADSCOPE_ABI_COMPILER};
  return tag;
}

std::string difference(const AbiTag& module, const AbiTag& own) {
  std::string theirs, ours;
  const auto compare = [&](const char* what, const std::string& a, const std::string& b) {
    if (a == b) return;
    theirs += (theirs.empty() ? "" : ", ") + std::string(what) + " " + a;
    ours += (ours.empty() ? "" : ", ") + std::string(what) + " " + b;
  };
  compare("LibTorch", module.libtorch, own.libtorch);
  compare("CUDA", module.cuda, own.cuda);
  compare("compiler", module.compiler, own.compiler);
  if (theirs.empty()) return {};
  return "was built for " + theirs + "; this Headscope has " + ours + ": build the plugin again";
}

} // namespace headscope::plugin
