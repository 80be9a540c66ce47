// SPDX-License-Identifier: GPL-3.0-or-later
// The checksums after the HDF5 part of a result file, which HDF5 does not read: a CRC-32C of each block of it,
// including strings, attributes and structure. docs/file-format.md describes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace headscope::store {

struct Checksums {
  std::uint64_t content = 0;       // bytes of the HDF5 part
  std::vector<std::uint32_t> sums; // one a block

  static constexpr std::uint64_t block = 65536;
};

// Appends checksums to a finished HDF5 file; `path` is for errors.
Status append_checksums(int fd, const std::string& path);
// Returns nothing when the file has no checksums, as older files; corrupt when their own checksum does not match.
Result<std::optional<Checksums>> read_checksums(int fd, std::uint64_t size, const std::string& path);
// Whether the block is as it was written; false also when it cannot be read.
bool block_matches(int fd, const Checksums& checksums, std::size_t index);

} // namespace headscope::store
