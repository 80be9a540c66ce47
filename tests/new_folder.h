// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace headscope::test {

// An empty folder that nobody else has. The number of a process is no such name: it comes again, and what a test that
// was killed has left is still there. Whoever asks removes it.
inline std::filesystem::path new_folder() {
  std::string name = (std::filesystem::temp_directory_path() / "headscope-test-XXXXXX").string();
  return ::mkdtemp(name.data()) ? name : std::string();
}

} // namespace headscope::test
