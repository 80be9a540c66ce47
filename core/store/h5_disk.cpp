// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/store/h5_disk.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include <sys/stat.h>
#include <unistd.h>

namespace headscope::store::h5 {

namespace {

herr_t query(const H5FD_t* /*file*/, unsigned long* features) {
  if (features != nullptr) {
    *features = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
                H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
  }
  return 0;
}

// 0, or errno.
int write_at(int fd, std::uint64_t address, const unsigned char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t n = ::pwrite(fd, data, size, static_cast<off_t>(address));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno : EIO;
    address += static_cast<std::uint64_t>(n);
    data += n;
    size -= static_cast<std::size_t>(n);
  }
  return 0;
}

} // namespace

void Disk::opened() {
  struct stat status {};
  end_ = ::fstat(fd, &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

bool Disk::read(std::uint64_t address, unsigned char* out, std::size_t size) {
  if (!read_at(fd, address, out, size)) return false;
  for (const Block& block : unwritten) {
    const std::uint64_t begin = std::max(address, block.address);
    const std::uint64_t end = std::min(address + size, block.address + block.bytes.size());
    if (begin < end) std::memcpy(out + (begin - address), block.bytes.data() + (begin - block.address), end - begin);
  }
  return true;
}

bool Disk::write(std::uint64_t address, const unsigned char* data, std::size_t size) {
  if (error == 0) error = write_at(fd, address, data, size);
  if (error != 0) {
    try {
      unwritten.push_back({address, {data, data + size}});
    } catch (const std::bad_alloc&) {
      return false;
    }
  }
  end_ = std::max(end_, address + size);
  return true;
}

void Disk::truncate() {
  if (allocated == end_) return;
  if (error == 0 && ::ftruncate(fd, static_cast<off_t>(allocated)) != 0) error = errno;
  end_ = allocated;
}

bool use_disk(hid_t file_access, Disk* disk) {
  static const hid_t driver = register_driver("headscope", query);
  return use_driver(file_access, driver, disk);
}

} // namespace headscope::store::h5
