// SPDX-License-Identifier: GPL-3.0-or-later
// The HDF5 file driver that result files are written through.
//
// HDF5 cannot give up on a file: once a write has failed, closing it fails, its handles leak and the library
// crashes when the process ends. So this driver never reports a failed write to HDF5. It remembers the first
// one in a Disk, keeps what could not be written in memory, and the writer asks the Disk after every step.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <hdf5.h>

#include "core/store/h5_driver.h"

namespace headscope::store::h5 {

class Disk : public DriverFile {
public:
  int fd = -1;   // open for reading and writing; not closed here
  int error = 0; // errno of the first write that failed
  struct Block {
    std::uint64_t address = 0;
    std::vector<unsigned char> bytes;
  };
  std::vector<Block> unwritten; // in the order of writing; only after a failure, and then the file is given up

  void opened() override;
  std::uint64_t end() const override { return end_; }
  bool read(std::uint64_t address, unsigned char* out, std::size_t size) override;
  bool write(std::uint64_t address, const unsigned char* data, std::size_t size) override;
  void truncate() override;

private:
  std::uint64_t end_ = 0; // as far as HDF5 has written, in the file or in memory
};

// Makes the file access list use the driver with this disk, which must outlive the file. Call under a Lock.
bool use_disk(hid_t file_access, Disk* disk);

} // namespace headscope::store::h5
