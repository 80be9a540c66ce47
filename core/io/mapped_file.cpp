// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/mapped_file.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace headscope::io {
namespace {

// Bytes that may stay mapped after they were read. Giving pages back interrupts every processor that runs a thread of
// this process, so it is not done for each tensor.
constexpr std::size_t drop_after = 4 << 20;

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

Error system_error(const std::string& path) {
  const int reason = errno;
  return make_error(reason == ENOENT ? ErrorCode::not_found : ErrorCode::io, std::strerror(reason), path);
}

} // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
  // Not blocking: a named pipe must be refused below, not waited for.
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) return system_error(path);
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) return system_error(path);
  if (!S_ISREG(status.st_mode)) return make_error(ErrorCode::io, "is no regular file", path);
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return MappedFile(path, nullptr, 0);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (data == MAP_FAILED) return system_error(path);
  return MappedFile(path, static_cast<const std::uint8_t*>(data), size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)),
      read_(other.read_.load()) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::uint8_t*>(data_), size_);
}

void MappedFile::advise(std::size_t begin, std::size_t length, int advice) const {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  if (!data_ || begin >= size_) return;
  const std::size_t first = begin / page * page, last = std::min(begin + length, size_);
  if (last > first) ::madvise(const_cast<std::uint8_t*>(data_) + first, last - first, advice);
}

void MappedFile::have_read(std::size_t length) const {
  if (read_.fetch_add(length, std::memory_order_relaxed) + length < drop_after) return;
  read_.store(0, std::memory_order_relaxed);
  advise(0, size_, MADV_DONTNEED);
}

void MappedFile::will_read(std::size_t begin, std::size_t length) const { advise(begin, length, MADV_WILLNEED); }

} // namespace headscope::io
