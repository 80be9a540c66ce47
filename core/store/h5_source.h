// SPDX-License-Identifier: GPL-3.0-or-later
// The HDF5 file driver that files are read through. It reads one open descriptor, even if the file is renamed
// meanwhile, and no block that does not match its checksum. Errors that HDF5 ignores are kept in the Source.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <hdf5.h>

#include "core/base/result.h"
#include "core/store/checksums.h"

namespace headscope::store::h5 {

class Source {
public:
  // Opens a regular file that begins as HDF5 files do. Errors: not_found, io, invalid_argument, corrupt.
  static Result<std::unique_ptr<Source>> open(const std::string& path);
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  ~Source();

  int fd() const { return fd_; }
  std::uint64_t content() const { return content_; } // bytes of the HDF5 part
  bool has_checksums() const { return checksums_.has_value(); }
  bool damaged() const { return damaged_; } // a block that was read does not match
  Error damage() const;
  std::uint64_t allocated = 0; // where HDF5 believes the file to end

  // Verifies every block of a file small enough for this to take no noticeable time.
  Status verify_small();

  // Reads zeros beyond the end. Returns false when the system refuses or a checksum does not match.
  bool read(std::uint64_t address, unsigned char* out, std::size_t size);

private:
  Source(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  Status prepare();
  bool verify(std::uint64_t address, std::size_t size);

  std::string path_;
  int fd_ = -1;
  std::uint64_t content_ = 0;
  std::optional<Checksums> checksums_;
  std::vector<bool> verified_; // one a block
  bool damaged_ = false;
};

// Makes the file access list use the driver with this source, which must outlive the file. Call under a Lock.
bool use_source(hid_t file_access, Source* source);

} // namespace headscope::store::h5
