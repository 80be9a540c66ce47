// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/mapped_file.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/sha256.h"
#include "core/io/mapped_fault.h"

namespace headscope::io {
namespace {

// How many bytes may stay mapped after they were read. Releasing pages interrupts every CPU that runs a thread of this
// process, so it is not done for each tensor.
constexpr std::size_t drop_after = 4 << 20;

Error system_error(const std::string& path) {
  const int reason = errno;
  const ErrorCode code = reason == ENOENT   ? ErrorCode::not_found
                         : reason == ENOMEM ? ErrorCode::out_of_memory
                                            : ErrorCode::io;
  return make_error(code, std::strerror(reason), path);
}

} // namespace

MappedFile::Stamp MappedFile::stamp_of(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return {-1, 0, 0};
  return {status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

Result<MappedFile> MappedFile::open(const std::string& path) {
  // Does not block: a named pipe must be refused below, not waited for.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return system_error(path);
  MappedFile file(path, fd, 0); // closes it
  struct stat status {};
  if (::fstat(fd, &status) != 0) return system_error(path);
  if (!S_ISREG(status.st_mode)) return make_error(ErrorCode::io, "is no regular file", path);
  file.stamp_ = stamp_of(fd);
  if (status.st_size == 0) return file;
  const auto size = static_cast<std::size_t>(status.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED) return system_error(path);
  file.data_ = static_cast<const std::uint8_t*>(data);
  file.size_ = size;
  remember_mapping(file.data_, file.size_, path);
  return file;
}

Status MappedFile::check_unchanged() const {
  if (stamp_of(fd_) == stamp_) return {};
  return make_error(ErrorCode::corrupt, "was changed while it was read; try again when nobody writes to it", path_);
}

Result<std::string> MappedFile::sha256(const std::function<bool(std::int64_t)>& proceed) const {
  HS_TRY(check_unchanged());
  std::int64_t done = 0;
  const auto more = [&](void* into, std::size_t room) -> Result<std::size_t> {
    if (proceed && !proceed(done)) return make_error(ErrorCode::cancelled, "hashing was cancelled", path_);
    const ssize_t got = ::pread(fd_, into, room, done);
    if (got < 0) return system_error(path_);
    done += got;
    return static_cast<std::size_t>(got);
  };
  HS_ASSIGN(std::string digest, sha256_of(more));
  HS_TRY(check_unchanged());
  return digest;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)), stamp_(other.stamp_), read_(other.read_.load()) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(stamp_, other.stamp_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_) {
    forget_mapping(data_);
    ::munmap(const_cast<std::uint8_t*>(data_), size_);
  }
  if (fd_ >= 0) ::close(fd_);
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
