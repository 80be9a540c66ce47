// SPDX-License-Identifier: GPL-3.0-or-later
// An intervention is a small value that says where, what, at which positions and in which batch row. A run takes a list
// of them, so that a sweep can put many interventions side by side as rows of one batch.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/engine/hook.h"
#include "core/vocabulary/ablation.h"

namespace headscope {

enum class InterventionKind : std::uint8_t {
  zero,        // x -> 0
  set,         // x -> value: mean ablation, resample ablation, activation patching
  add,         // x -> x + value: steering
  scale,       // x -> factor * x
  project_out, // x -> x - factor * (its part along value): directional ablation
  uniform,     // at `pattern` only: each query attends equally to every key it may see; never builds T x T
  hide,        // at `attn_scores` only: scores of `keys` become -inf, where a query can see any other key
  // At `pattern` only: weights on `keys` are multiplied by `factor`; the weight that frees is given to the query's
  // other keys in proportion to their weights (ACT, Yu et al. 2406.15765).
  redistribute,
  // At `pattern` only: (1 - factor) * weights + factor * a given distribution over `keys` (attention steering, Merullo
  // et al. 2310.08744).
  steer,
};

struct Intervention {
  HookSite site;
  InterventionKind kind = InterventionKind::zero;
  // Head index (K/V head index at k, v, k_input, v_input, rot_k); unset: all heads.
  std::optional<std::int64_t> head;
  // Slots of the row, counting padding and cached tokens (query positions at attn_scores and pattern); empty: all. In
  // runs with a KV cache, slots that this run does not compute are skipped.
  std::vector<std::int64_t> positions;
  // Batch row; unset: all rows.
  std::optional<std::int64_t> row;
  Phase phase = Phase::both;
  // For project_out: [d], not 0. For set and add: broadcastable to the selected slice [row?, pos, head?, d] of the
  // site, where axes that are fixed to one index by `row` and `head` are absent. E.g. [d_head] for a mean at one head,
  // [pos, d_model] for a patch of one row of resid_pre. The position axis has one entry per selected position.
  // For steer: the weight of each of `keys` [key], in any unit; undefined: all the same.
  at::Tensor value;
  double factor = 1.0; // for scale, project_out, redistribute and steer
  // For hide, redistribute and steer: key slots; slots that do not exist yet are skipped. A steered query uses those at
  // or
  // before itself (a sliding window is ignored); a query with none is unchanged. Empty, for redistribute: each head's
  // sinks except the first, i.e. keys whose mean weight over the queries that may see them is above `sink_threshold`;
  // only for whole prompts without padding, and steps from a KV cache are unchanged.
  std::vector<std::int64_t> keys;
  double sink_threshold = 0.1;
};

} // namespace headscope
