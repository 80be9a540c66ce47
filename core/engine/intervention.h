// SPDX-License-Identifier: GPL-3.0-or-later
// An intervention is a small value: where, what, which positions, which batch row. A run takes a list of
// them, so that a sweep can put many interventions side by side as rows of one batch.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/engine/hook.h"

namespace headscope {

enum class Phase : std::uint8_t { prefill = 1, decode = 2, both = 3 };

enum class InterventionKind : std::uint8_t {
  zero,    // x -> 0
  set,     // x -> value: mean ablation, resample ablation, activation patching
  add,     // x -> x + value: steering
  scale,   // x -> factor * x
  uniform, // at `pattern` only: each query attends equally to every key it may see; never builds T x T
};

struct Intervention {
  HookSite site;
  InterventionKind kind = InterventionKind::zero;
  // Head index (K/V head index at k, v, k_input, v_input, rot_k); unset: all heads.
  std::optional<std::int64_t> head;
  // Slots of the row, padding and cached tokens counted (query positions at attn_scores and pattern); empty:
  // all. In runs with a KV cache, slots that this run does not compute are passed over.
  std::vector<std::int64_t> positions;
  // Batch row; unset: all rows.
  std::optional<std::int64_t> row;
  Phase phase = Phase::both;
  // For set and add: broadcastable to the selected slice [row?, pos, head?, d] of the site, where axes that
  // are fixed to one index by `row` and `head` are absent. E.g. [d_head] for a mean at one head,
  // [pos, d_model] for a patch of one row of resid_pre. The position axis has one entry per selected position.
  at::Tensor value;
  double factor = 1.0; // for scale
};

} // namespace headscope
