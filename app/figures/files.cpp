// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/figures/files.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace headscope::figures {

namespace {

Error system_error(const std::string& what, const std::string& path) {
  return make_error(ErrorCode::io, what + ": " + std::strerror(errno), path);
}

Error exists_error(const std::string& path) {
  return make_error(ErrorCode::already_exists, "the file exists and is kept; ask to overwrite it, or name another",
                    path);
}

bool write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

Status fill(int descriptor, std::string_view bytes, const std::string& path) {
  if (!write_all(descriptor, bytes)) return system_error("cannot write", path);
  // mkstemp makes private files; a result is as readable as any file the user creates.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(descriptor, 0666 & ~mask) != 0) return system_error("cannot set the file's mode", path);
  if (::fsync(descriptor) != 0) return system_error("cannot write", path);
  return {};
}

// link() fails where the name is taken, so a file that appeared meanwhile is not lost. File systems without
// hard links get a rename.
Status publish(const std::string& temporary, const std::string& path, bool overwrite) {
  if (!overwrite) {
    if (::link(temporary.c_str(), path.c_str()) == 0) {
      ::unlink(temporary.c_str());
      return {};
    }
    if (errno == EEXIST) return exists_error(path);
    HS_TRY(check_writable(path, false));
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) return system_error("cannot put the file in place", path);
  return {};
}

} // namespace

Status check_writable(const std::string& path, bool overwrite) {
  if (path.empty()) return make_error(ErrorCode::invalid_argument, "no file name given", {}, "path");
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return {};
  if (S_ISDIR(info.st_mode)) return make_error(ErrorCode::io, "is a folder, not a file", path);
  if (!overwrite) return exists_error(path);
  return {};
}

Status write_atomically(const std::string& path, std::string_view bytes, bool overwrite) {
  HS_TRY(check_writable(path, overwrite));
  std::string temporary = path + ".XXXXXX";
  const int descriptor = ::mkstemp(temporary.data());
  if (descriptor < 0) return system_error("cannot create a file in this folder", path);
  Status status = fill(descriptor, bytes, path);
  if (::close(descriptor) != 0 && status.ok()) status = system_error("cannot write", path);
  if (status.ok()) status = publish(temporary, path, overwrite);
  if (!status.ok()) ::unlink(temporary.c_str());
  return status;
}

} // namespace headscope::figures
