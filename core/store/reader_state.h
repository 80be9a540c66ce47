// SPDX-License-Identifier: GPL-3.0-or-later
// What the parts of ResultReader share. Private to this folder. Everything is called under a Lock.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/store/h5.h"
#include "core/store/result_reader.h"

#include <hdf5_hl.h>

namespace headscope::store {

struct ResultReader::Impl {
  std::string path;
  h5::File file;
  FileInfo info;

  h5::Place place(const std::string& at) const { return {path, at}; }
  Result<bool> has(const std::string& at) const;            // corrupt when a group on the way cannot be read
  Status require(const std::string& at) const;              // not_found when it is not there
  Result<h5::Dataset> dataset(const std::string& at) const; // not_found when it is not there
  Result<Attributes> attributes(const std::string& at) const;
  Result<std::vector<std::string>> links(const std::string& at) const; // in creation order
  Result<std::vector<std::string>> strings(const std::string& at) const;
  Result<std::vector<std::int64_t>> shape(const h5::Dataset& found, const std::string& at) const;
  // T: float, double or std::int64_t.
  template <typename T> Result<std::vector<T>> numbers(const std::string& at, std::vector<std::int64_t>& extent) const;
};

// The axis' name, and its labels when its first scale holds strings.
Axis axis_of(hid_t dataset, unsigned dimension);

// Runs `read` under the Lock; a file that claims an impossible size becomes out_of_memory.
Status read_guarded(const std::string& file, const std::function<Status()>& read);

template <typename T, typename Read> Result<T> guarded(const std::string& file, const Read& read) {
  std::optional<Result<T>> out;
  HS_TRY(read_guarded(file, [&]() -> Status {
    out.emplace(read());
    return {};
  }));
  return std::move(*out);
}

} // namespace headscope::store
