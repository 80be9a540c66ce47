// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/store/h5_source.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace headscope::store::h5 {

namespace {

Error system_error(const std::string& path) {
  if (errno == ENOENT) return make_error(ErrorCode::not_found, "does not exist", path);
  return make_error(ErrorCode::io, std::string("cannot be read: ") + std::strerror(errno), path);
}

} // namespace

Result<std::unique_ptr<Source>> Source::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a pipe would wait for a writer
  if (fd < 0) return system_error(path);
  std::unique_ptr<Source> source(new Source(path, fd));
  HS_TRY(source->prepare());
  return source;
}

Source::~Source() { ::close(fd_); }

Status Source::prepare() {
  struct stat info {};
  if (::fstat(fd_, &info) != 0) return system_error(path_);
  if (!S_ISREG(info.st_mode)) return make_error(ErrorCode::invalid_argument, "is not a regular file", path_);
  if (info.st_size == 0) return make_error(ErrorCode::corrupt, "is empty", path_);
  std::array<unsigned char, 8> head{};
  if (!read_at(fd_, 0, head.data(), head.size())) return system_error(path_);
  constexpr std::array<unsigned char, 8> kSignature = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
  if (head != kSignature) return make_error(ErrorCode::corrupt, "is not an HDF5 file (wrong signature)", path_);
  content_ = static_cast<std::uint64_t>(info.st_size);
  HS_ASSIGN(checksums_, read_checksums(fd_, content_, path_));
  if (!checksums_) return {};
  content_ = checksums_->content;
  verified_.resize(checksums_->sums.size());
  return {};
}

Error Source::damage() const {
  return make_error(ErrorCode::corrupt,
                    "is damaged: it is not what was written (a checksum does not match); take another copy or run the "
                    "command that made it again",
                    path_);
}

bool Source::verify(std::uint64_t address, std::size_t size) {
  if (!checksums_ || size == 0) return true;
  const std::uint64_t end = std::min(content_, address + size);
  for (std::uint64_t i = address / Checksums::block; i * Checksums::block < end; ++i) {
    if (verified_[i]) continue;
    if (!block_matches(fd_, *checksums_, i)) {
      damaged_ = true;
      return false;
    }
    verified_[i] = true;
  }
  return true;
}

Status Source::verify_small() {
  constexpr std::uint64_t small = std::uint64_t{64} << 20;
  if (checksums_ && content_ <= small && !verify(0, content_)) return damage();
  return {};
}

bool Source::read(std::uint64_t address, unsigned char* out, std::size_t size) {
  if (address + size < address) return false;
  if (!verify(address, size)) return false;
  const std::size_t inside = address >= content_ ? 0 : std::min<std::uint64_t>(size, content_ - address);
  std::memset(out + inside, 0, size - inside);
  return read_at(fd_, address, out, inside);
}

namespace {

herr_t query(const H5FD_t* /*file*/, unsigned long* features) {
  if (features != nullptr)
    *features = H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
  return 0;
}

} // namespace

bool use_source(hid_t file_access, Source* source) {
  static const hid_t driver = register_driver("headscope-reader", query);
  return use_driver(file_access, driver, source);
}

} // namespace headscope::store::h5
