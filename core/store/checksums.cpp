// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/store/checksums.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/crc32c.h"

namespace headscope::store {

namespace {

constexpr std::string_view kMagic = "HSSUMS1\n";

// The last bytes of the file, after the checksums; little endian.
struct Footer {
  std::uint64_t content = 0;
  std::uint32_t block = 0;
  std::uint32_t sums_crc = 0;
  std::uint32_t unused = 0;
  std::uint32_t crc = 0; // of the fields before it in this struct
  char magic[8] = {};
};
static_assert(sizeof(Footer) == 32);

std::string_view bytes_of(const void* data, std::size_t size) { return {static_cast<const char*>(data), size}; }

std::uint32_t crc_of(const Footer& footer) { return crc32c(bytes_of(&footer, offsetof(Footer, crc))); }

std::uint32_t crc_of(const std::vector<std::uint32_t>& sums) {
  return crc32c(bytes_of(sums.data(), sums.size() * sizeof(std::uint32_t)));
}

std::uint64_t blocks_of(std::uint64_t content) { return (content + Checksums::block - 1) / Checksums::block; }

bool read_at(int fd, std::uint64_t at, void* out, std::size_t size) {
  auto* bytes = static_cast<char*>(out);
  while (size > 0) {
    const ssize_t n = ::pread(fd, bytes, size, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += static_cast<std::uint64_t>(n);
    bytes += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

bool write_at(int fd, std::uint64_t at, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += static_cast<std::uint64_t>(n);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

// The checksum of a block's bytes in the file; nothing when they cannot be read.
std::optional<std::uint32_t> sum_of_block(int fd, std::uint64_t content, std::size_t index) {
  const std::uint64_t begin = index * Checksums::block;
  std::vector<char> bytes(std::min<std::uint64_t>(Checksums::block, content - begin));
  if (!read_at(fd, begin, bytes.data(), bytes.size())) return {};
  return crc32c(bytes_of(bytes.data(), bytes.size()));
}

Error system_error(const char* what, const std::string& path) {
  return make_error(ErrorCode::io, std::string(what) + ": " + std::strerror(errno), path);
}

Error damaged(const std::string& path) {
  return make_error(ErrorCode::corrupt, "is damaged: its checksums do not match themselves", path);
}

} // namespace

Status append_checksums(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return system_error("cannot be read back", path);
  Checksums checksums;
  checksums.content = static_cast<std::uint64_t>(info.st_size);
  for (std::uint64_t i = 0; i < blocks_of(checksums.content); ++i) {
    const auto sum = sum_of_block(fd, checksums.content, i);
    if (!sum) return system_error("cannot be read back", path);
    checksums.sums.push_back(*sum);
  }
  Footer footer;
  footer.content = checksums.content;
  footer.block = Checksums::block;
  footer.sums_crc = crc_of(checksums.sums);
  footer.crc = crc_of(footer);
  std::copy(kMagic.begin(), kMagic.end(), std::begin(footer.magic));
  std::string tail(bytes_of(checksums.sums.data(), checksums.sums.size() * sizeof(std::uint32_t)));
  tail += bytes_of(&footer, sizeof footer);
  if (!write_at(fd, checksums.content, tail)) return system_error("cannot be written", path);
  return {};
}

Result<std::optional<Checksums>> read_checksums(int fd, std::uint64_t size, const std::string& path) {
  Footer footer;
  if (size < sizeof footer || !read_at(fd, size - sizeof footer, &footer, sizeof footer) ||
      bytes_of(footer.magic, sizeof footer.magic) != kMagic)
    return std::optional<Checksums>();
  const std::uint64_t left = size - sizeof footer;
  if (footer.crc != crc_of(footer) || footer.block != Checksums::block || footer.content > left ||
      blocks_of(footer.content) * sizeof(std::uint32_t) != left - footer.content)
    return damaged(path);
  Checksums checksums{footer.content, std::vector<std::uint32_t>(blocks_of(footer.content))};
  if (!read_at(fd, footer.content, checksums.sums.data(), checksums.sums.size() * sizeof(std::uint32_t)))
    return system_error("cannot be read", path);
  if (footer.sums_crc != crc_of(checksums.sums)) return damaged(path);
  return std::optional<Checksums>(std::move(checksums));
}

bool block_matches(int fd, const Checksums& checksums, std::size_t index) {
  return sum_of_block(fd, checksums.content, index) == checksums.sums[index];
}

} // namespace headscope::store
