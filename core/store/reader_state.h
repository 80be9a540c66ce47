// SPDX-License-Identifier: GPL-3.0-or-later
// State that the parts of ResultReader share. Private to this folder; everything must be called under a Lock.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/store/h5.h"
#include "core/store/h5_check.h"
#include "core/store/h5_source.h"
#include "core/store/result_reader.h"

namespace headscope::store {

struct ResultReader::Impl {
  std::string path;
  std::unique_ptr<h5::Source> source; // outlives the file
  h5::File file;
  FileInfo info;

  // Opens any HDF5 file in this process.
  static Result<std::unique_ptr<Impl>> open(const std::string& path, std::unique_ptr<h5::Source> source);
  Status read_info(); // corrupt, unsupported: no result file that this program reads

  h5::H5Location place(const std::string& at) const { return {path, at}; }
  Result<bool> has(const std::string& at) const;            // corrupt when a group on the way cannot be read
  Result<h5::Object> object(const std::string& at) const;   // not_found when it is not there
  Result<h5::Dataset> dataset(const std::string& at) const; // not_found when it is not there
  Result<Attributes> attributes(const std::string& at) const;
  Result<std::vector<std::string>> links(const std::string& at) const; // in creation order
  Result<std::vector<std::string>> strings(const std::string& at) const;
  Result<std::vector<std::int64_t>> shape(const h5::Dataset& found, const std::string& at) const;
  // Reads numbers; T is float, double or std::int64_t.
  template <typename T> Result<std::vector<T>> numbers(const std::string& at, std::vector<std::int64_t>& extent) const;
};

// Runs `read` under the Lock. A file that claims an impossible size gives out_of_memory; where a checksum did not
// match, everything that was read is discarded.
Status read_guarded(const h5::Source& source, const std::string& file, const std::function<Status()>& read);

template <typename T, typename Read> Result<T> guarded(const ResultReader::Impl& impl, const Read& read) {
  std::optional<Result<T>> out;
  HS_TRY(read_guarded(*impl.source, impl.path, [&]() -> Status {
    out.emplace(read());
    if (!out->ok()) return out->error();
    return {};
  }));
  return std::move(*out);
}

} // namespace headscope::store
