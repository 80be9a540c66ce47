// SPDX-License-Identifier: GPL-3.0-or-later
// Checks made before HDF5 reads an object of a file that others wrote: nothing may lead out of the file, or take more
// memory than its size in the file justifies. All functions must be called under a Lock.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/store/h5.h"

namespace headscope::store::h5 {

// Returns the path made of hard links only, or nothing when there is no such object. Soft links are followed within the
// file; the result is corrupt where one leads nowhere or in a circle, and for external and user-defined links.
Result<std::optional<std::string>> resolve(hid_t file, const H5Location& place);

// Names of a group's links, in the order of creation where the file has it.
Result<std::vector<std::string>> link_names(hid_t group, const H5Location& place);

// Checks layout, filters and sizes of a dataset: refuses external storage, virtual layouts, filters that HDF5 would
// look for in its plugin folder, chunks beyond limits::result_chunk_bytes and storage beyond the file's end.
Status check_dataset(hid_t dataset, const H5Location& place, std::uint64_t file_bytes);

// The part of an array that is read at once.
struct Slab {
  std::vector<hsize_t> start, count;
};
Slab whole(const std::vector<std::int64_t>& shape);

// Checks that the slab may be read into values of `value_bytes` each: its size in memory, the number of its chunks, and
// that no chunk inflates to more than a chunk.
Status check_slab(hid_t dataset, const H5Location& place, const Slab& slab, std::size_t value_bytes);

} // namespace headscope::store::h5
