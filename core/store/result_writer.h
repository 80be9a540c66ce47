// SPDX-License-Identifier: GPL-3.0-or-later
// Writes one result file piece by piece. Until commit() everything goes to a hidden file beside the final
// one, so that a run that is killed leaves nothing, or the older file, under the final name.
//
// Calls may come from any thread, one at a time: HDF5 itself is behind one lock of the process.
// After a failed write (a full disk) every further call returns that first error.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/store/result_types.h"

namespace headscope::store {

struct ResultOptions {
  bool overwrite = false; // --force: replace an existing file at commit
  Provenance provenance;
  int deflate = 4; // gzip level of maps and other large arrays, 0..9
};

namespace detail {
struct FileState;
struct ArrayState;
} // namespace detail

// An array that is filled slab by slab. Values that are never written stay NaN (integers: 0). After its ResultWriter is
// committed, calls return an error.
class ArrayWriter {
public:
  // Writes the slab that begins at `offset` and has `shape`, one number per axis. Floats are converted to the
  // array's type (round to nearest even).
  Status write(std::span<const std::int64_t> offset, std::span<const std::int64_t> shape, std::span<const float> data);
  Status write(std::span<const std::int64_t> offset, std::span<const std::int64_t> shape, std::span<const double> data);
  Status write(std::span<const std::int64_t> offset, std::span<const std::int64_t> shape,
               std::span<const std::int64_t> data);

private:
  friend class ResultWriter;
  std::shared_ptr<detail::ArrayState> state_;
};

class AblationWriter {
public:
  Status write_clean(std::int64_t prompt, float value);
  // Writes whole layers from layer_begin on; `effects` is [layer, head].
  Status write_layers(std::int64_t prompt, std::int64_t layer_begin, std::span<const float> effects);
  Status write_head(std::int64_t prompt, HeadId head, float effect);

private:
  friend class ResultWriter;
  ArrayWriter effects_, clean_;
  std::int64_t n_heads_ = 0;
};

class AttentionWriter {
public:
  // Writes query rows from q_begin on; `rows` is [query, key] with every key, and its size gives the number of rows.
  // Any number of rows may be written at once; they should come in order for each head.
  Status write_rows(std::int64_t head_index, std::int64_t q_begin, std::span<const float> rows);
  // Writes the tile [q_begin, q_begin + n_query) x [k_begin, ...); `tile` is [query, key].
  Status write_tile(std::int64_t head_index, std::int64_t q_begin, std::int64_t n_query, std::int64_t k_begin,
                    std::span<const float> tile);

private:
  friend class ResultWriter;
  ArrayWriter pattern_;
  std::int64_t n_key_ = 0;
};

class ResultWriter {
public:
  // Fails before any work when `path` exists and overwrite is not set (already_exists), or when its
  // folder is missing or cannot be written (io). Removes what killed runs left beside it.
  static Result<ResultWriter> create(const std::string& path, ResultOptions options);

  ResultWriter(ResultWriter&&) noexcept;
  ResultWriter& operator=(ResultWriter&&) noexcept;
  ~ResultWriter(); // without commit(): removes the hidden file

  // /model: name, architecture, path (only its last part is kept), sha256, dtype, device, n_layers,
  // n_heads, n_kv_heads, d_model, d_head, d_vocab, quantisation, ...
  // With a name, for a file about several models: /models/NAME.
  Status set_model(const Attributes& attributes, const std::string& name = {});
  // /options/STEP: every option of one step or detector.
  Status set_options(const std::string& step, const Attributes& options);

  Status add_prompt(const Prompt& prompt);
  Status add_scores(const DetectorScores& scores);
  // Begins an ablation; the mean over prompts is added at commit.
  Result<AblationWriter> begin_ablation(const AblationSpec& spec);
  // Returns the array `restored` to fill.
  Result<ArrayWriter> begin_patching(const PatchingSpec& spec);
  Status add_patching(const Patching& patching);
  Result<AttentionWriter> begin_attention(const AttentionSpec& spec);
  Status add_graph(const Graph& graph);

  // Makes any other array at an absolute path such as "/analysis/NAME"; groups on the way are made.
  Result<ArrayWriter> create_array(const std::string& path, const ArraySpec& spec);
  Status add_array(const std::string& path, const ArraySpec& spec, std::span<const float> data);
  Status add_array(const std::string& path, const ArraySpec& spec, std::span<const double> data);
  Status add_array(const std::string& path, const ArraySpec& spec, std::span<const std::int64_t> data);
  Status add_strings(const std::string& path, const Axis& axis, const std::vector<std::string>& values,
                     const std::string& long_name);
  Status add_table(const std::string& path, const Table& table);
  // Sets attributes of a group or dataset; a missing group is made, an attribute of the same name is replaced.
  Status set_attributes(const std::string& path, const Attributes& attributes);

  // Flushes, syncs and gives the file its final name; complete = false marks interrupted work. The writer
  // is closed afterwards, whatever the result. If another program made a file of that name meanwhile (and
  // overwrite is off) it is kept, and the error names the file that holds these results.
  Status commit(bool complete = true);

private:
  explicit ResultWriter(std::shared_ptr<detail::FileState> state);
  std::shared_ptr<detail::FileState> state_;
};

} // namespace headscope::store
