// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/host/folders.h"

#include <cstdlib>
#include <filesystem>
#include <sstream>

namespace headscope::plugin {
namespace {

namespace fs = std::filesystem;

fs::path own_folder() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).parent_path().parent_path() / "lib" / "headscope";
}

fs::path user_folder() {
  if (const char* data = std::getenv("XDG_DATA_HOME"); data && *data) return fs::path(data) / "headscope/plugins";
  if (const char* home = std::getenv("HOME"); home && *home) return fs::path(home) / ".local/share/headscope/plugins";
  return {};
}

} // namespace

std::vector<std::string> plugin_folders() {
  std::vector<std::string> folders = {(own_folder() / "plugins").string()};
  const char* set = std::getenv("HEADSCOPE_PLUGINS");
  std::istringstream more(set ? set : "");
  for (std::string folder; std::getline(more, folder, ':');)
    if (!folder.empty()) folders.push_back(folder);
  std::error_code error;
  if (const fs::path user = user_folder(); !user.empty() && fs::is_directory(user, error))
    folders.push_back(user.string());
  return folders;
}

std::string python_folder() { return (own_folder() / "python").string(); }

} // namespace headscope::plugin
