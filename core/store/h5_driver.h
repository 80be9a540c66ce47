// SPDX-License-Identifier: GPL-3.0-or-later
// What our HDF5 file drivers share: the functions that HDF5 calls, over one object a file.
#pragma once

#include <cstdint>

#include <hdf5.h>

namespace headscope::store::h5 {

// A file as HDF5 sees it. It belongs to who made it, and must outlive what HDF5 has open of it.
class DriverFile {
public:
  DriverFile() = default;
  DriverFile(const DriverFile&) = delete;
  DriverFile& operator=(const DriverFile&) = delete;
  virtual ~DriverFile() = default;

  virtual void opened() {}               // HDF5 begins
  virtual std::uint64_t end() const = 0; // of what there is
  virtual bool read(std::uint64_t address, unsigned char* out, std::size_t size) = 0;
  virtual bool write(std::uint64_t address, const unsigned char* data, std::size_t size) = 0;
  virtual void truncate() {} // to `allocated`

  std::uint64_t allocated = 0; // where HDF5 believes the file to end
};

// Of the name and the features (H5FD_FEAT_...); negative where HDF5 refuses it. Call once a driver, under a Lock.
hid_t register_driver(const char* name, herr_t (*query)(const H5FD_t*, unsigned long* features));
// Makes the file access list use the driver with this file. Call under a Lock.
bool use_driver(hid_t file_access, hid_t driver, DriverFile* file);

// What lies beyond the end reads as zeros.
bool read_at(int fd, std::uint64_t address, unsigned char* out, std::size_t size);

} // namespace headscope::store::h5
