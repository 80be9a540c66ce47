// SPDX-License-Identifier: GPL-3.0-or-later
// State that ResultWriter and its array writers share. Private to this folder; everything must be called under a Lock.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/partial_file.h"
#include "core/store/h5.h"
#include "core/store/h5_disk.h"
#include "core/store/result_writer.h"

namespace headscope::store::detail {

struct ArrayState {
  std::weak_ptr<FileState> file;
  h5::Dataset dataset;
  std::string path;
  DType dtype = DType::float32;
  std::vector<std::int64_t> shape;

  ~ArrayState();
};

struct FileState : std::enable_shared_from_this<FileState> {
  FileState(PartialFile target, ResultOptions given) : partial(std::move(target)), options(std::move(given)) {}
  FileState(const FileState&) = delete;
  FileState& operator=(const FileState&) = delete;
  ~FileState();

  PartialFile partial;
  ResultOptions options;
  h5::Disk disk;
  h5::File file;
  std::optional<Error> failed; // the first failed write: what follows it would only make a broken file
  std::vector<std::weak_ptr<ArrayState>> arrays;
  std::vector<AblationSpec> ablations;
  std::map<std::pair<std::string, std::int64_t>, std::string> numbered_scales; // axis and size -> path
  std::map<std::string, std::vector<std::string>> labelled_scales;             // path -> labels

  h5::H5Location place(const std::string& path) const { return {partial.final_path(), path}; }
  Status ready(); // an error when the writer is closed or a write has failed
  // Remembers a failure of the system; an error of the caller does no harm. A write that the system refused is found in
  // the Disk, since HDF5 never learns of it.
  Error latch(Error error);
  Status latched(Status status);
  Status check_disk(const std::string& path);

  Status open();
  Status check_new(const std::string& path) const;  // already_exists
  Result<h5::Group> group(const std::string& path); // makes what is missing
  Result<h5::Dataset> create_strings(const std::string& path, const std::vector<std::string>& values, bool scalar,
                                     const std::string& units, const std::string& long_name);
  Result<std::shared_ptr<ArrayState>> create_array(const std::string& path, const ArraySpec& spec,
                                                   std::size_t cache_bytes = 0);
  Status write_slab(ArrayState& array, std::span<const std::int64_t> offset, std::span<const std::int64_t> shape,
                    hid_t memory_type, const void* data);
  Status attach_scales(const h5::Dataset& dataset, const std::string& path, const std::vector<Axis>& axes,
                       const std::vector<std::int64_t>& shape);
  Status summarise(const AblationSpec& spec);
  Status close_arrays();
  Status close(); // after it the file is readable
  void abandon(); // closes without caring what is written

private:
  Result<std::string> scale_for(const std::string& array_path, const Axis& axis, std::int64_t size);
  Result<std::string> numbered_scale(const Axis& axis, std::int64_t size);
  Result<std::string> labelled_scale(const std::string& array_path, const Axis& axis);
  h5::PropertyList array_properties(const ArraySpec& spec) const;
};

// Writes a slab given in the public interface's types.
Status write_floats(ArrayState& array, std::span<const std::int64_t> offset, std::span<const std::int64_t> shape,
                    std::span<const float> data);
Status write_doubles(ArrayState& array, std::span<const std::int64_t> offset, std::span<const std::int64_t> shape,
                     std::span<const double> data);
Status write_integers(ArrayState& array, std::span<const std::int64_t> offset, std::span<const std::int64_t> shape,
                      std::span<const std::int64_t> data);

// Returns an error unless `name` can be one component of a path.
Status check_name(const std::string& name, const std::string& file, const std::string& what);

} // namespace headscope::store::detail
