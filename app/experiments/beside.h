// SPDX-License-Identifier: GPL-3.0-or-later
// Finds files that an experiment names beside it, wherever the program was started.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>

namespace headscope::experiments {

inline std::string beside(const std::string& experiment, const std::string& file) {
  const std::filesystem::path path = file;
  return path.is_absolute() ? file : (std::filesystem::path(experiment).parent_path() / path).string();
}

// The same where there is such a file or folder; otherwise the name is relative to where the program was started.
inline std::string beside_if_there(const std::string& experiment, const std::string& file) {
  std::error_code error;
  const std::string path = beside(experiment, file);
  return std::filesystem::exists(path, error) ? path : file;
}

} // namespace headscope::experiments
