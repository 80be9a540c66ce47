// SPDX-License-Identifier: GPL-3.0-or-later
// What the file thread owns: the result files that are open. Include it where jobs of that thread are written.
#pragma once

#include <map>
#include <string>

#include "core/store/result_file.h"

namespace headscope::gui {

struct FileState {
  std::map<std::string, store::ResultReader> open; // by absolute path

  // Opens it, or finds it open.
  Result<store::ResultReader*> reader(const std::string& path);
};

} // namespace headscope::gui
