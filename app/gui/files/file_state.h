// SPDX-License-Identifier: GPL-3.0-or-later
// The state that the file thread owns: the open result files. Included where jobs of that thread are written.
#pragma once

#include <map>
#include <string>

#include "core/store/result_file.h"

namespace headscope::gui {

struct FileState {
  std::map<std::string, store::ResultReader> open; // by absolute path

  // Returns the reader of a file, opening it if needed.
  Result<store::ResultReader*> reader(const std::string& path);
};

} // namespace headscope::gui
