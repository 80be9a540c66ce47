// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/store/h5_driver.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <iterator>
#include <new>

#include <unistd.h>

namespace headscope::store::h5 {
namespace {

struct Opened {
  H5FD_t base{}; // first: HDF5 sees only this
  DriverFile* file = nullptr;
};

DriverFile& self(H5FD_t* opened) { return *reinterpret_cast<Opened*>(opened)->file; }
const DriverFile& self(const H5FD_t* opened) { return *reinterpret_cast<const Opened*>(opened)->file; }

H5FD_t* open_file(const char* /*name*/, unsigned /*flags*/, hid_t access, haddr_t /*maxaddr*/) {
  const void* info = H5Pget_driver_info(access);
  if (info == nullptr) return nullptr;
  auto* opened = new (std::nothrow) Opened;
  if (opened == nullptr) return nullptr;
  opened->file = *static_cast<DriverFile* const*>(info);
  opened->file->allocated = 0;
  opened->file->opened();
  return &opened->base;
}

herr_t close_file(H5FD_t* opened) {
  delete reinterpret_cast<Opened*>(opened);
  return 0;
}

int compare(const H5FD_t* a, const H5FD_t* b) {
  const std::less<const DriverFile*> before;
  return before(&self(a), &self(b)) ? -1 : before(&self(b), &self(a)) ? 1 : 0;
}

haddr_t get_eoa(const H5FD_t* opened, H5FD_mem_t /*type*/) { return self(opened).allocated; }
haddr_t get_eof(const H5FD_t* opened, H5FD_mem_t /*type*/) { return self(opened).end(); }
herr_t set_eoa(H5FD_t* opened, H5FD_mem_t /*type*/, haddr_t address) {
  self(opened).allocated = address;
  return 0;
}

herr_t read(H5FD_t* opened, H5FD_mem_t /*type*/, hid_t /*transfer*/, haddr_t address, std::size_t size, void* buffer) {
  return self(opened).read(address, static_cast<unsigned char*>(buffer), size) ? 0 : -1;
}

herr_t write(H5FD_t* opened, H5FD_mem_t /*type*/, hid_t /*transfer*/, haddr_t address, std::size_t size,
             const void* buffer) {
  return self(opened).write(address, static_cast<const unsigned char*>(buffer), size) ? 0 : -1;
}

herr_t truncate(H5FD_t* opened, hid_t /*transfer*/, hbool_t /*closing*/) {
  self(opened).truncate();
  return 0;
}

} // namespace

hid_t register_driver(const char* name, herr_t (*query)(const H5FD_t*, unsigned long*)) {
  H5FD_class_t driver{};
  driver.name = name;
  driver.maxaddr = (haddr_t{1} << 62U) - 1;
  driver.fc_degree = H5F_CLOSE_WEAK;
  driver.fapl_size = sizeof(DriverFile*);
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
  return H5FDregister(&driver);
}

bool use_driver(hid_t file_access, hid_t driver, DriverFile* file) {
  return driver >= 0 && H5Pset_driver(file_access, driver, static_cast<const void*>(&file)) >= 0;
}

bool read_at(int fd, std::uint64_t address, unsigned char* out, std::size_t size) {
  while (size > 0) {
    const ssize_t n = ::pread(fd, out, size, static_cast<off_t>(address));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    if (n == 0) {
      std::memset(out, 0, size);
      return true;
    }
    address += static_cast<std::uint64_t>(n);
    out += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

} // namespace headscope::store::h5
