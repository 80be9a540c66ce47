// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/figures/files.h"

#include <filesystem>

#include <sys/stat.h>

#include "core/base/partial_file.h"

namespace headscope::figures {

Status check_writable(const std::string& path, bool overwrite) {
  if (path.empty()) return make_error(ErrorCode::invalid_argument, "no file name given", {}, "path");
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return {};
  if (S_ISDIR(info.st_mode)) return make_error(ErrorCode::io, "is a folder, not a file", path);
  if (!overwrite) {
    return make_error(ErrorCode::already_exists, "the file exists and is kept; ask to overwrite it, or name another",
                      path);
  }
  return {};
}

Status make_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error || !std::filesystem::is_directory(folder))
    return make_error(ErrorCode::io, "cannot be made: " + error.message(), folder);
  return {};
}

Status write_atomically(const std::string& path, std::string_view bytes, bool overwrite) {
  HS_TRY(check_writable(path, overwrite));
  return write_file(path, bytes, overwrite);
}

} // namespace headscope::figures
