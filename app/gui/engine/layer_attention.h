// SPDX-License-Identifier: GPL-3.0-or-later
// The q and k of layers, kept so that their attention can be computed again without the model. Only the .cpp files of
// this folder include it.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "app/gui/engine/ablation_input.h"
#include "app/gui/engine/engine_state.h"

namespace headscope::gui {

struct LayerAttention {
  std::vector<std::int64_t> tokens;
  std::string plan;       // empty: full attention, here and in the layers before
  AblationInput ablation; // of layers before this one; what comes later does not change its attention
  int layer = 0;
  at::Tensor q; // [head_index, pos, d_head] float32, rotary applied
  at::Tensor k; // [kv_head_index, pos, d_head]
  double scale = 1.0;
  std::optional<double> softcap;
  std::optional<std::int64_t> window;
  // The log of the sum of exp(score) over the keys that a query may see: [pos] for each head, undefined until a row of
  // the head is needed, NaN in rows not needed yet.
  std::vector<at::Tensor> log_sums;
  // [head_index, query, key] float32 of a mechanism, which has no q and k that give it; undefined under full attention.
  at::Tensor pattern;
  int only_head = -1; // the one that `pattern` is of; -1: all

  std::size_t bytes() const;
};

// Drops the oldest layers where they take more than they may; the newest stays.
void drop_oldest(EngineState& state);

// Takes a layer's attention from the state, or runs the model as far as this layer, under the state's plan. Of layers
// from the first that the plan changes the whole pattern is kept, or that of `head` alone where all take more than they
// may; out_of_memory where that does, too.
Result<std::shared_ptr<LayerAttention>> layer_attention(EngineState& state, const std::vector<std::int64_t>& tokens,
                                                        int layer, int head, const AblationInput& ablation,
                                                        const RunControl& control);

// What of an ablation can change the attention of a layer.
AblationInput ablation_before(const AblationInput& ablation, int layer);
// Runs the prompt through a layer with what `watches` puts into the request; a long clean run is kept to go on from.
Status run_through(EngineState& state, const std::vector<std::int64_t>& tokens, int layer, const AblationInput& before,
                   const RunControl& control, const std::function<void(RunRequest&)>& watches);

// The weights [q_begin, q_end) x [k_begin, k_end) of a head, as in the model's pattern: 0 where a query may not see a
// key.
at::Tensor head_weights(LayerAttention& layer, int head, std::int64_t q_begin, std::int64_t q_end, std::int64_t k_begin,
                        std::int64_t k_end);

} // namespace headscope::gui
