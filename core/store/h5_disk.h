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

namespace headscope::store::h5 {

struct Disk {
  int fd = -1;   // open for reading and writing; not closed here
  int error = 0; // errno of the first write that failed
  struct Block {
    std::uint64_t address = 0;
    std::vector<unsigned char> bytes;
  };
  std::vector<Block> unwritten; // in the order of writing; only after a failure, and then the file is given up
};

// Makes the file access list use the driver with this disk, which must outlive the file. Call under a Lock.
bool use_disk(hid_t file_access, Disk* disk);

} // namespace headscope::store::h5
