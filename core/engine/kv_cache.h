// SPDX-License-Identifier: GPL-3.0-or-later
// The KV cache: keys and values of positions that a run need not compute again.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <ATen/core/Tensor.h>

namespace headscope {

// Holds each layer's keys and values after rotary, [batch, slots, kv_head_index, d_head]; grows by doubling. Beside
// them, where the layer's attention needs it: queries, and q and k before the rotary step.
class KvCache {
public:
  std::int64_t length() const { return length_; }
  std::int64_t rows() const { return layers_.empty() ? 0 : layers_.front().k.size(0); }
  // The name of the attention that all runs so far had.
  const std::string& attention() const { return attention_; }
  // Returns a new cache whose row i is a copy of row rows[i]: repeats a prefill, or drops rows.
  KvCache select_rows(const std::vector<std::int64_t>& rows) const;

private:
  friend class ForwardPass;
  struct Layer {
    at::Tensor k, v, q, unrotated_q, unrotated_k;
  };
  std::vector<Layer> layers_;
  std::string attention_;
  std::int64_t length_ = 0;
};

// The positions before those of a run. A default one has none.
class KvPast {
public:
  KvPast() = default;
  // Uses the positions of a cache and appends the run's keys and values to it; unless it is empty, the run is a decode
  // step. `prompt_length` is for a run over the first tokens of prompts whose rest follows later: how many slots they
  // will have, since the rotary base of some models depends on it. If it is smaller than this run's, this run's counts.
  static KvPast append_to(KvCache& cache, std::int64_t prompt_length = 0) {
    return KvPast(Appended{&cache, prompt_length});
  }
  // Uses the positions of a cache that is only read, so that a run may start and stop at any layer, pad on the right
  // and be differentiated. Its rows are those of the run. Null: no earlier positions.
  static KvPast read(const KvCache* prefix) { return prefix ? KvPast(prefix) : KvPast(); }

  // The cache that is appended to, and the one that is only read; null where there is none.
  KvCache* appended() const {
    const auto* appending = std::get_if<Appended>(&where_);
    return appending ? appending->cache : nullptr;
  }
  const KvCache* prefix() const {
    const auto* reading = std::get_if<const KvCache*>(&where_);
    return reading ? *reading : nullptr;
  }
  bool none() const { return std::holds_alternative<std::monostate>(where_); }
  std::int64_t length() const { return appended() ? appended()->length() : prefix() ? prefix()->length() : 0; }
  std::int64_t prompt_length() const {
    const auto* appending = std::get_if<Appended>(&where_);
    return appending ? appending->prompt_length : 0;
  }

private:
  struct Appended {
    KvCache* cache;
    std::int64_t prompt_length;
  };
  using Where = std::variant<std::monostate, Appended, const KvCache*>;
  explicit KvPast(Where where) : where_(where) {}

  Where where_;
};

} // namespace headscope
