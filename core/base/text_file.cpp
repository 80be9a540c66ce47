// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/text_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace headscope {

Result<std::string> read_text_file(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) // which opens as an empty file
    return make_error(ErrorCode::io, "is a folder, not a file", path);
  std::ifstream file(path, std::ios::binary);
  if (!file) return make_error(errno == ENOENT ? ErrorCode::not_found : ErrorCode::io, std::strerror(errno), path);
  std::ostringstream text;
  text << file.rdbuf();
  if (file.bad() || (text.str().empty() && !file.eof() && file.fail()))
    return make_error(ErrorCode::io, "cannot be read", path);
  return text.str();
}

} // namespace headscope
