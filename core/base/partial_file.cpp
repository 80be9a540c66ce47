// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/partial_file.h"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace headscope {

namespace fs = std::filesystem;

namespace {

std::string reason(int error) { return std::generic_category().message(error); }

std::string folder_of(const std::string& path) {
  const std::string folder = fs::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

std::string partial_prefix(const std::string& final_path) {
  constexpr std::size_t most = 200; // a name may have 255 bytes
  std::string prefix(1, '.');
  return prefix.append(fs::path(final_path).filename().string().substr(0, most)).append(".partial-");
}

// The process that a leftover file of this name belongs to, or 0.
pid_t owner_of(const std::string& name, const std::string& prefix) {
  if (name.compare(0, prefix.size(), prefix) != 0) return 0;
  int pid = 0;
  const char* end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data() + prefix.size(), end, pid);
  if (parsed.ec != std::errc() || (parsed.ptr != end && *parsed.ptr != '-')) return 0;
  return pid;
}

// Unlinks under the lock, so that a run that has just made the file sees that it is gone.
void remove_if_abandoned(const std::string& path, pid_t owner) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return;
  bool abandoned = ::flock(fd, LOCK_EX | LOCK_NB) == 0;
  if (!abandoned && errno != EWOULDBLOCK) { // a file system without locks
    abandoned = ::kill(owner, 0) != 0 && errno == ESRCH;
  }
  if (abandoned) ::unlink(path.c_str());
  ::close(fd);
}

void remove_leftovers(const std::string& final_path) {
  const std::string prefix = partial_prefix(final_path);
  std::error_code error;
  for (fs::directory_iterator it(folder_of(final_path), error), end; !error && it != end; it.increment(error)) {
    const pid_t owner = owner_of(it->path().filename().string(), prefix);
    if (owner > 0) remove_if_abandoned(it->path().string(), owner);
  }
}

Status check_target(const std::string& path, bool overwrite) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    const int error = errno;
    if (error == ENOENT && ::lstat(path.c_str(), &info) == 0)
      return make_error(ErrorCode::invalid_argument, "is a link to what does not exist", path);
    if (error == ENOENT) return {};
    return make_error(ErrorCode::io, "cannot be written: " + reason(error), path);
  }
  if (S_ISDIR(info.st_mode)) return make_error(ErrorCode::invalid_argument, "is a folder, not a file", path);
  if (!S_ISREG(info.st_mode)) return make_error(ErrorCode::invalid_argument, "is not a regular file", path);
  if (!overwrite) {
    return make_error(ErrorCode::already_exists, "already exists and is kept; use --force to replace it", path);
  }
  return {};
}

Status sync_folder(const std::string& final_path) {
  const int fd = ::open(folder_of(final_path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return {}; // a folder that may be written but not read: nothing more can be done
  const bool failed = ::fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP;
  const int error = errno;
  ::close(fd);
  if (failed) return make_error(ErrorCode::io, "its folder cannot be synced: " + reason(error), final_path);
  return {};
}

// Returns 0 or errno; EEXIST when `to` exists.
int rename_without_replacing(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  if (::link(from.c_str(), to.c_str()) == 0) { // an older kernel or file system
    ::unlink(from.c_str());
    return 0;
  }
  if (errno != EPERM && errno != ENOTSUP) return errno;
  if (::access(to.c_str(), F_OK) == 0) return EEXIST; // no hard links either: the best that is left
  return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

} // namespace

Result<PartialFile> PartialFile::create(const std::string& path, bool overwrite) {
  if (path.empty()) return make_error(ErrorCode::invalid_argument, "the output file has no name");
  PartialFile file;
  file.final_ = path;
  if (path.back() == '/') return make_error(ErrorCode::invalid_argument, "is a folder, not a file", path);
  HS_TRY(check_target(path, overwrite));
  // Follows a link: the file that it names is replaced, not the link.
  if (char* resolved = ::realpath(path.c_str(), nullptr)) {
    file.final_ = resolved;
    std::free(resolved); // NOLINT(cppcoreguidelines-no-malloc)
  }
  remove_leftovers(file.final_);
  HS_TRY(file.open_new());
  return file;
}

Status PartialFile::open_new() {
  const std::string stem = folder_of(final_) + "/" + partial_prefix(final_) + std::to_string(::getpid());
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const std::string name = attempt == 0 ? stem : stem + "-" + std::to_string(attempt);
    const int fd = ::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
      if (errno == EEXIST) continue;
      const std::string what = errno == ENOENT ? "its folder does not exist" : "cannot be written: " + reason(errno);
      return make_error(ErrorCode::io, what, final_);
    }
    ::flock(fd, LOCK_EX); // without locks the name tells the process
    struct stat info {};
    if (::fstat(fd, &info) == 0 && info.st_nlink == 0) { // taken for a leftover between open and flock
      ::close(fd);
      continue;
    }
    fd_ = fd;
    partial_ = name;
    return {};
  }
  return make_error(ErrorCode::io, "too many unfinished files beside it", final_);
}

PartialFile::PartialFile(PartialFile&& other) noexcept
    : final_(std::move(other.final_)), partial_(std::exchange(other.partial_, {})), fd_(std::exchange(other.fd_, -1)) {}

PartialFile& PartialFile::operator=(PartialFile&& other) noexcept {
  std::swap(final_, other.final_);
  std::swap(partial_, other.partial_);
  std::swap(fd_, other.fd_);
  return *this;
}

PartialFile::~PartialFile() { remove(); }

void PartialFile::remove() {
  if (!partial_.empty()) ::unlink(partial_.c_str());
  partial_.clear();
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Status PartialFile::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return make_error(ErrorCode::io, "cannot be written: " + reason(errno), final_);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

Status PartialFile::keep_aside() {
  const std::string kept = final_ + ".new-" + std::to_string(::getpid());
  if (rename_without_replacing(partial_, kept) != 0) {
    return make_error(ErrorCode::already_exists,
                      "another program made it meanwhile; it is kept, these results are lost", final_);
  }
  partial_.clear();
  return make_error(ErrorCode::already_exists, "another program made it meanwhile; these results are in " + kept,
                    final_);
}

// Syncs the data first: a name must never be on disk before the data it names.
int PartialFile::take_name(bool overwrite) {
  if (::fsync(fd_) != 0) return errno;
  const int error = overwrite ? (::rename(partial_.c_str(), final_.c_str()) == 0 ? 0 : errno)
                              : rename_without_replacing(partial_, final_);
  if (error == 0) partial_.clear();
  return error;
}

Status PartialFile::publish(bool overwrite) {
  const int error = take_name(overwrite);
  if (error == EEXIST) return keep_aside();
  if (error != 0) return make_error(ErrorCode::io, "cannot be written: " + reason(error), final_);
  ::close(std::exchange(fd_, -1));
  return sync_folder(final_);
}

Result<int> PartialFile::publish_open(bool overwrite) {
  const int error = take_name(overwrite);
  if (error == EEXIST) return make_error(ErrorCode::already_exists, "another program made it meanwhile", final_);
  if (error != 0) return make_error(ErrorCode::io, "cannot be written: " + reason(error), final_);
  HS_TRY(sync_folder(final_));
  return std::exchange(fd_, -1);
}

namespace {

bool is_stream(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && (S_ISCHR(info.st_mode) || S_ISFIFO(info.st_mode));
}

Status write_stream(const std::string& path, std::string_view bytes) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "wbe"), &std::fclose);
  if (file && std::fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size() && std::fflush(file.get()) == 0)
    return {};
  return make_error(ErrorCode::io, "cannot be written: " + reason(errno), path);
}

} // namespace

Status write_file(const std::string& path, std::string_view bytes, bool overwrite) {
  if (overwrite && is_stream(path)) return write_stream(path, bytes);
  HS_ASSIGN(PartialFile file, PartialFile::create(path, overwrite));
  HS_TRY(file.append(bytes));
  return file.publish(overwrite);
}

} // namespace headscope
