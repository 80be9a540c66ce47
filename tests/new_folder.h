// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace headscope::test {

// Makes an empty folder with a unique name. A process id would not be unique: it is reused, and leftovers of a killed
// test would still be there. The caller removes the folder.
inline std::filesystem::path new_folder() {
  std::string name = (std::filesystem::temp_directory_path() / "headscope-test-XXXXXX").string();
  return ::mkdtemp(name.data()) ? name : std::string();
}

} // namespace headscope::test
