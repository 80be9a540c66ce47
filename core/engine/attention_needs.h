// SPDX-License-Identifier: GPL-3.0-or-later
// Attention that differs by layer and may need more of the engine than AttentionInput has: whole rows of queries, q and
// k before the rotary step, the ends of rows. Other backends cost nothing here: the engine asks once a run which kind
// it has.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/engine/attention.h"

namespace headscope {

class HookPlan;
struct ModelConfig;
struct RunRequest;
struct RunSpan;

// What a backend needs of the engine in one layer.
struct LayerNeeds {
  std::string mechanism; // as refusals name it; empty: default_attention() computes this layer
  // Whether z of a query depends on other queries of its row. The engine then never hands over a part of a row: not the
  // last query alone, and not the queries behind a KV cache.
  bool whole_rows = false;
  bool before_rotary = false; // whether q and k before the rotary step are read
};

// What the engine knows of a layer's rows beyond AttentionInput.
struct AttentionRows {
  std::vector<std::int64_t> end; // per row: the slot behind its last token; empty: no row is padded on the right
  at::Tensor q, k; // before the rotary step, with the axes of AttentionInput's; undefined where nobody asked for them
  // Rotates x [head, pos, d_head] as the layer does at these positions [pos] (int64), for this row of the batch.
  std::function<at::Tensor(const at::Tensor& x, const at::Tensor& positions, std::int64_t row)> rotate;
};

class LayeredAttention : public AttentionBackend {
public:
  virtual LayerNeeds needs(int layer) const = 0;
  // Returns z as run() does. Called only for layers whose needs name a mechanism.
  virtual at::Tensor run_rows(const AttentionInput& input, const AttentionRows& rows) const = 0;

  at::Tensor run(const AttentionInput& input) const final { return run_rows(input, {}); }
};

// Returns unsupported, with the layer and the reason, where this run cannot give a backend what it needs.
Status check_needs(const AttentionBackend& attention, const RunRequest& request, const RunSpan& span,
                   const HookPlan& plan);

} // namespace headscope
