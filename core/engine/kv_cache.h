// SPDX-License-Identifier: GPL-3.0-or-later
// Keys and values of positions that a run need not compute again.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include <ATen/core/Tensor.h>

namespace headscope {

// Rotated keys and values of each layer, [batch, slots, kv_head_index, d_head]; grows by doubling.
class KvCache {
public:
  std::int64_t length() const { return length_; }
  std::int64_t rows() const { return layers_.empty() ? 0 : layers_.front().k.size(0); }
  // A cache of its own whose row i is this one's row rows[i]: repeats a prefill, or leaves rows out.
  KvCache select_rows(const std::vector<std::int64_t>& rows) const;

private:
  friend class ForwardPass;
  struct Layer {
    at::Tensor k, v;
  };
  std::vector<Layer> layers_;
  std::int64_t length_ = 0;
};

// The positions before those of a run. By itself there are none.
class KvPast {
public:
  KvPast() = default;
  // Those of a cache, which gets the run's keys and values too; unless it is empty, the run is a decode step.
  // `prompt_length`: of a run over the first tokens of prompts whose rest follows in a later one, how many slots they
  // will have: the rotary base of some models depends on it. Fewer than this run's: those of this run.
  static KvPast append_to(KvCache& cache, std::int64_t prompt_length = 0) {
    return KvPast(Appended{&cache, prompt_length});
  }
  // Those of a cache that is only read, so that a run may start and stop at any layer, pad on the right and be
  // differentiated. Rows: those of the run. Null: there are none.
  static KvPast read(const KvCache* prefix) { return prefix ? KvPast(prefix) : KvPast(); }

  // What is appended to, and what is only read; null: it is not so.
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
