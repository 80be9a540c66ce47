// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/store/h5_disk.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <iterator>
#include <new>
#include <sys/stat.h>
#include <unistd.h>

namespace headscope::store::h5 {

namespace {

struct DiskFile {
  H5FD_t base{}; // first: HDF5 sees only this
  Disk* disk = nullptr;
  haddr_t allocated = 0;
  haddr_t end = 0; // as far as HDF5 has written, in the file or in memory
};

DiskFile& self(H5FD_t* file) { return *reinterpret_cast<DiskFile*>(file); }
const DiskFile& self(const H5FD_t* file) { return *reinterpret_cast<const DiskFile*>(file); }

H5FD_t* open_file(const char* /*name*/, unsigned /*flags*/, hid_t access, haddr_t /*maxaddr*/) {
  const void* info = H5Pget_driver_info(access);
  if (info == nullptr) return nullptr;
  auto* file = new (std::nothrow) DiskFile;
  if (file == nullptr) return nullptr;
  file->disk = *static_cast<Disk* const*>(info);
  struct stat status {};
  if (::fstat(file->disk->fd, &status) == 0) file->end = static_cast<haddr_t>(status.st_size);
  return &file->base;
}

herr_t close_file(H5FD_t* file) {
  delete &self(file);
  return 0;
}

int compare(const H5FD_t* a, const H5FD_t* b) {
  const std::less<const Disk*> before;
  return before(self(a).disk, self(b).disk) ? -1 : before(self(b).disk, self(a).disk) ? 1 : 0;
}

herr_t query(const H5FD_t* /*file*/, unsigned long* flags) {
  if (flags != nullptr) {
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
             H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
  }
  return 0;
}

haddr_t get_eoa(const H5FD_t* file, H5FD_mem_t /*type*/) { return self(file).allocated; }
haddr_t get_eof(const H5FD_t* file, H5FD_mem_t /*type*/) { return self(file).end; }
herr_t set_eoa(H5FD_t* file, H5FD_mem_t /*type*/, haddr_t address) {
  self(file).allocated = address;
  return 0;
}

// Reads zeros beyond the end of the file.
bool read_file(int fd, haddr_t address, unsigned char* out, std::size_t size) {
  while (size > 0) {
    const ssize_t n = ::pread(fd, out, size, static_cast<off_t>(address));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    if (n == 0) {
      std::memset(out, 0, size);
      return true;
    }
    address += static_cast<haddr_t>(n);
    out += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

// Returns 0 or errno.
int write_file(int fd, haddr_t address, const unsigned char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t n = ::pwrite(fd, data, size, static_cast<off_t>(address));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno : EIO;
    address += static_cast<haddr_t>(n);
    data += n;
    size -= static_cast<std::size_t>(n);
  }
  return 0;
}

herr_t read(H5FD_t* file, H5FD_mem_t /*type*/, hid_t /*transfer*/, haddr_t address, std::size_t size, void* buffer) {
  const DiskFile& me = self(file);
  auto* out = static_cast<unsigned char*>(buffer);
  if (!read_file(me.disk->fd, address, out, size)) return -1;
  for (const Disk::Block& block : me.disk->unwritten) {
    const std::uint64_t begin = std::max<std::uint64_t>(address, block.address);
    const std::uint64_t end = std::min<std::uint64_t>(address + size, block.address + block.bytes.size());
    if (begin < end) std::memcpy(out + (begin - address), block.bytes.data() + (begin - block.address), end - begin);
  }
  return 0;
}

herr_t write(H5FD_t* file, H5FD_mem_t /*type*/, hid_t /*transfer*/, haddr_t address, std::size_t size,
             const void* buffer) {
  DiskFile& me = self(file);
  const auto* data = static_cast<const unsigned char*>(buffer);
  if (me.disk->error == 0) me.disk->error = write_file(me.disk->fd, address, data, size);
  if (me.disk->error != 0) {
    try {
      me.disk->unwritten.push_back({address, {data, data + size}});
    } catch (const std::bad_alloc&) {
      return -1;
    }
  }
  me.end = std::max<haddr_t>(me.end, address + size);
  return 0;
}

herr_t truncate(H5FD_t* file, hid_t /*transfer*/, hbool_t /*closing*/) {
  DiskFile& me = self(file);
  if (me.allocated == me.end) return 0;
  if (me.disk->error == 0 && ::ftruncate(me.disk->fd, static_cast<off_t>(me.allocated)) != 0) me.disk->error = errno;
  me.end = me.allocated;
  return 0;
}

H5FD_class_t make_class() {
  H5FD_class_t driver{};
  driver.name = "headscope";
  driver.maxaddr = (haddr_t{1} << 62U) - 1;
  driver.fc_degree = H5F_CLOSE_WEAK;
  driver.fapl_size = sizeof(Disk*);
  driver.open = open_file;
  driver.close = close_file;
  driver.cmp = compare;
  driver.query = query;
  driver.get_eoa = get_eoa;
  driver.set_eoa = set_eoa;
  driver.get_eof = get_eof;
  driver.read = read;
  driver.write = write;
  driver.truncate = truncate;
  constexpr H5FD_mem_t kMap[H5FD_MEM_NTYPES] = H5FD_FLMAP_DICHOTOMY;
  std::copy(std::begin(kMap), std::end(kMap), std::begin(driver.fl_map));
  return driver;
}

} // namespace

bool use_disk(hid_t file_access, Disk* disk) {
  static const H5FD_class_t driver = make_class();
  static const hid_t id = H5FDregister(&driver);
  return id >= 0 && H5Pset_driver(file_access, id, static_cast<const void*>(&disk)) >= 0;
}

} // namespace headscope::store::h5
