// SPDX-License-Identifier: GPL-3.0-or-later
// A thin layer over HDF5's C API: handles that close themselves, and failures as Result errors with the
// file, the path inside it and HDF5's innermost message.
//
// Debian's HDF5 is the serial build and not thread-safe. Code that calls H5* (or this layer) must hold a Lock, the
// process's one recursive lock, under which HDF5 does not print its error stack.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <hdf5.h>

#include "core/base/result.h"
#include "core/store/result_types.h"

namespace headscope::store::h5 {

class Lock {
public:
  Lock();

private:
  std::unique_lock<std::recursive_mutex> lock_;
};

template <herr_t (*Close)(hid_t)> class Handle {
public:
  Handle() = default;
  explicit Handle(hid_t id) : id_(id) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~Handle() { close(); }

  hid_t get() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }
  // Returns false when HDF5 could not write what it still held.
  bool close() {
    if (id_ < 0) return true;
    const Lock lock;
    return Close(std::exchange(id_, H5I_INVALID_HID)) >= 0;
  }

private:
  hid_t id_ = H5I_INVALID_HID;
};

using File = Handle<&H5Fclose>;
using Group = Handle<&H5Gclose>;
using Dataset = Handle<&H5Dclose>;
using Space = Handle<&H5Sclose>;
using Type = Handle<&H5Tclose>;
using PropertyList = Handle<&H5Pclose>;
using AttributeHandle = Handle<&H5Aclose>;
using Object = Handle<&H5Oclose>;

// The file and the place in it, for errors.
struct H5Location {
  std::string file;
  std::string path;
};

// Makes an error of HDF5's current failure: "cannot WHAT: innermost message". Its code is io when the operating system
// refused, otherwise `otherwise`.
Error failure(const H5Location& place, const std::string& what, ErrorCode otherwise);

// Types of values. Half precision is defined as numpy and h5py define '<f2'.
Type half_type();
Type text_type();            // variable length, UTF-8
Type bool_type();            // as h5py makes it: an enumeration over int8
Type file_type(DType dtype); // little endian
DType dtype_of(hid_t type);  // other: nothing that this layer knows
std::vector<std::int64_t> shape_of(hid_t space);
Space space_of(const std::vector<std::int64_t>& shape);

// Makes valid UTF-8 without NUL, as HDF5 strings require: invalid bytes become U+FFFD, NUL becomes U+2400.
std::string to_text(const std::string& bytes);
// The same for a token, whose bytes may be part of a character: these become escapes such as \xE4, so that tokens stay
// distinct.
std::string to_token_text(const std::string& bytes);

Status write_attribute(hid_t object, const H5Location& place, const Attribute& attribute); // replaces
Status write_attributes(hid_t object, const H5Location& place, const Attributes& attributes);
// Reads attributes in creation order where the file has it; those of HDF5's dimension scales and of unknown types are
// omitted.
Result<Attributes> read_attributes(hid_t object, const H5Location& place);

// Writes a scalar (empty shape) or 1-D dataset of strings.
Status write_strings(hid_t dataset, const H5Location& place, const std::vector<std::string>& values);
Result<std::vector<std::string>> read_strings(hid_t dataset, const H5Location& place);

// Reads dimension scales. HDF5's functions for them write beyond their buffers where attributes do not fit the rank.
Result<std::vector<std::string>> axis_names(hid_t dataset, std::size_t rank, const H5Location& place);
// The labels of each axis: its first scale where that holds strings.
Result<std::vector<std::vector<std::string>>> axis_labels(hid_t dataset, const std::vector<std::int64_t>& shape,
                                                          const H5Location& place, std::uint64_t file_bytes);
Result<bool> is_scale(hid_t dataset, const H5Location& place);

} // namespace headscope::store::h5
