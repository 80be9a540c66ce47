// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/text_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace headscope {
namespace {

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

Error system_error(int error, const std::string& path) {
  return make_error(error == ENOENT ? ErrorCode::not_found : ErrorCode::io, std::strerror(error), path);
}

ssize_t read_some(int fd, char* to, std::size_t size) {
  ssize_t n = -1;
  do
    n = ::read(fd, to, size);
  while (n < 0 && errno == EINTR);
  return n;
}

Result<std::string> read_all(int fd, std::size_t expected, std::size_t most, const std::string& path) {
  const auto too_large = [&] {
    return make_error(ErrorCode::corrupt,
                      "has more than " + std::to_string(most) + " bytes, the most that is read as one text", path);
  };
  if (expected > most) return too_large();
  std::string text;
  text.reserve(expected);
  std::array<char, 1 << 16> block{};
  for (;;) {
    const ssize_t n = read_some(fd, block.data(), block.size());
    if (n < 0) return system_error(errno, path);
    if (n == 0) return text;
    const std::size_t size = text.size() + static_cast<std::size_t>(n);
    if (size > most) return too_large();
    // Grows by doubling, but never far beyond what may be read.
    if (size > text.capacity()) text.reserve(std::max(size, std::min(2 * text.capacity(), most)));
    text.append(block.data(), static_cast<std::size_t>(n));
  }
}

// For a pipe from which nothing can be read: whether a writer had it open and has closed it.
bool has_had_writer(int fd) {
  pollfd pipe{fd, POLLIN, 0};
  return ::poll(&pipe, 1, 0) == 1 && (pipe.revents & POLLHUP) != 0;
}

// Waits until a pipe has something to read or its writer is gone. A signal that asks the program to stop ends the wait:
// poll() is never resumed after one.
Status wait_for_pipe(int fd, int wait_ms, const std::string& path) {
  pollfd pipe{fd, POLLIN, 0};
  const int ready = ::poll(&pipe, 1, wait_ms);
  if (ready < 0 && errno == EINTR) return make_error(ErrorCode::cancelled, "interrupted while waiting for it", path);
  if (ready < 0) return system_error(errno, path);
  return {};
}

// Reads a pipe as slowly as its writer writes; a pipe without a writer is given a few seconds.
Result<std::string> read_pipe(int fd, std::size_t most, const std::string& path) {
  constexpr int first_wait_ms = 5000, for_ever = -1;
  std::string text;
  std::array<char, 1 << 16> block{};
  HS_TRY(wait_for_pipe(fd, first_wait_ms, path));
  for (bool waited = false;; waited = true) {
    const ssize_t n = read_some(fd, block.data(), block.size()); // without waiting: the descriptor is O_NONBLOCK
    if (n < 0 && errno != EAGAIN) return system_error(errno, path);
    if (n == 0 && !waited && !has_had_writer(fd))
      return make_error(ErrorCode::io, "is a pipe that nobody writes to", path);
    if (n == 0) return text;
    if (n > 0 && text.size() + static_cast<std::size_t>(n) > most)
      return make_error(ErrorCode::corrupt,
                        "has more than " + std::to_string(most) + " bytes, the most that is read as one text", path);
    if (n > 0) text.append(block.data(), static_cast<std::size_t>(n));
    HS_TRY(wait_for_pipe(fd, for_ever, path));
  }
}

Result<std::string> read_file(const std::string& path, std::size_t most, bool regular_only) {
  // Opening a pipe without a writer would block; with O_NONBLOCK it does not, and fstat tells what it is.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) return system_error(errno, path);
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) return system_error(errno, path);
  if (S_ISDIR(info.st_mode)) return make_error(ErrorCode::io, "is a folder, not a file", path);
  const bool regular = S_ISREG(info.st_mode);
  if (regular_only && !regular) return make_error(ErrorCode::io, "is not a regular file", path);
  if (S_ISFIFO(info.st_mode)) return read_pipe(file.fd, most, path);
  if (!regular && ::fcntl(file.fd, F_SETFL, 0) != 0) return system_error(errno, path); // a terminal is waited for
  return read_all(file.fd, regular ? static_cast<std::size_t>(info.st_size) : 0, most, path);
}

} // namespace

Status check_readable(const std::string& path) {
  if (::access(path.c_str(), R_OK) == 0) return {};
  return system_error(errno, path);
}

Result<std::string> read_text_file(const std::string& path, std::size_t most) { return read_file(path, most, false); }

Result<std::string> read_regular_file(const std::string& path, std::size_t most) { return read_file(path, most, true); }

} // namespace headscope
