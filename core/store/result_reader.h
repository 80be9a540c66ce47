// SPDX-License-Identifier: GPL-3.0-or-later
// Reads result files. A broken, truncated, foreign or newer file gives one error that names file and field.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/base/result.h"
#include "core/store/result_types.h"

namespace headscope::store {

namespace h5 {
class Source;
}

struct FileInfo {
  std::int64_t format_version = 0;
  Provenance provenance;
  std::string created; // UTC, ISO 8601
  bool complete = false;
  bool has_checksums = false; // older files have none: what changed in them meanwhile is not seen
};

// An object as `headscope inspect` shows it. Dimension scales and HDF5's own attributes about them are omitted.
struct Node {
  std::string name; // "/" for the root
  bool is_group = false;
  DType dtype = DType::other;      // of a dataset
  std::vector<std::int64_t> shape; // of a dataset
  std::vector<std::string> axes;   // of a dataset: names
  std::int64_t stored_bytes = 0;   // of a dataset: on disk, after compression
  Attributes attributes;
  std::vector<Node> children; // in the order in which they were written
};
nlohmann::json to_json(const Node& node);
nlohmann::json to_json(const Attributes& attributes);

// A numeric array as doubles, whatever its type in the file.
struct Array {
  ArraySpec spec;
  std::vector<double> values;
};

class ResultReader {
public:
  // Opens a file. One that this process did not write is first read as a whole by a separate process, which a damaged
  // file may crash.
  static Result<ResultReader> open(const std::string& path);
  // Opens a file without that check: for the process that makes it.
  static Result<ResultReader> open_here(const std::string& path);
  // Opens any HDF5 file, of which only paths are known; info() is empty.
  static Result<ResultReader> open_any_here(const std::string& path);
  // Reads everything that the file holds, and numbers up to some 32 MiB.
  Status check_everything() const;
  ResultReader(ResultReader&&) noexcept;
  ResultReader& operator=(ResultReader&&) noexcept;
  ~ResultReader();

  const FileInfo& info() const;
  Result<Node> tree() const;
  // The names in a group such as "/detectors", as written; empty when there is no such group.
  Result<std::vector<std::string>> list(const std::string& group) const;
  bool exists(const std::string& path) const;

  Result<Attributes> model() const;
  Result<Attributes> options(const std::string& step) const;
  Result<Attributes> attributes(const std::string& path) const;

  Result<Prompt> prompt(const std::string& id) const;
  Result<DetectorScores> scores(const std::string& detector) const;
  Result<Ablation> ablation(const std::string& name) const;
  Result<Patching> patching(const std::string& name) const;
  Result<AttentionSpec> attention(const std::string& prompt) const;
  // Reads [q_begin, q_end) x [k_begin, k_end) of one head, [query, key]; NaN: not written.
  Result<std::vector<float>> attention_tile(const std::string& prompt, std::int64_t head_index, std::int64_t q_begin,
                                            std::int64_t q_end, std::int64_t k_begin, std::int64_t k_end) const;
  Result<Graph> graph(const std::string& name) const;

  Result<Array> array(const std::string& path) const;
  Result<std::vector<std::string>> strings(const std::string& path) const;
  Result<Table> table(const std::string& path) const;

  struct Impl; // private to core/store

private:
  static Result<ResultReader> open_here(const std::string& path, std::unique_ptr<h5::Source> source);
  explicit ResultReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

} // namespace headscope::store
