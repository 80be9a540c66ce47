// SPDX-License-Identifier: GPL-3.0-or-later
// Attention that differs by layer and may need more of the engine than AttentionInput has: other queries of a row, q
// and k before the rotary step, the ends of rows. Other backends cost nothing here: the engine asks once a run which
// kind it has.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/engine/attention.h"
#include "core/engine/attention_cost.h"

namespace headscope {

class HookPlan;
struct ModelConfig;
struct RunRequest;
struct RunSpan;

// Which queries of a row the z of one of them depends on.
enum class QueryScope : std::uint8_t {
  own,     // on its own alone, so that a run may be cut anywhere
  earlier, // also on those before it: the engine keeps them beside the KV cache
  beside,  // also on later ones that run with it. The engine hands over whole rows, or one decode step after the other:
           // a step gives what the last query of the text up to it would get
};

// What a backend needs of the engine in one layer, and what it can give.
struct LayerNeeds {
  std::string mechanism; // as refusals name it; empty: default_attention() computes this layer
  QueryScope queries = QueryScope::own;
  bool before_rotary = false;  // whether q and k before the rotary step are read
  bool has_scores = true;      // whether the pattern is a softmax of scores, which can be read and edited
  bool signed_pattern = false; // whether weights may be negative, which statistics do not count
  bool differentiable = true;
  // The largest distance between a query and a key as the rotary step sees it; nullopt: that of the text. Texts longer
  // than the model's context can be run where no layer's exceeds it.
  std::optional<std::int64_t> reach = {};

  // Whether the engine must keep more than keys and values of earlier positions.
  bool keeps_queries() const { return queries != QueryScope::own; }
};

// What the engine knows of a layer's rows beyond AttentionInput.
struct AttentionRows {
  std::vector<std::int64_t> end; // per row: the slot behind its last token; empty: no row is padded on the right
  // Of all slots, those in the KV cache first: queries with rotary where needs() scopes over other queries, and q and k
  // before the rotary step where it asks for them; undefined otherwise. The axes are those of AttentionInput.
  at::Tensor all_q, unrotated_q, unrotated_k;
  at::Tensor w_o; // the layer's output weights, [d_model, head_index * d_head]
  // Rotates x [head, pos, d_head] as the layer does at these positions [pos] (int64), for this row of the batch.
  std::function<at::Tensor(const at::Tensor& x, const at::Tensor& positions, std::int64_t row)> rotate;
  // Where not null, what this call costs is added to it, of heads whose attention is not the default's.
  AttentionCost* cost = nullptr;
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
                   const HookPlan& plan, bool differentiated);

// Whether some layer's queries depend on later ones.
bool looks_beside(const AttentionBackend& attention, const ModelConfig& config);

// Whether what a token gets is the same when the text before it was run by itself, so that prompts may share that part.
bool may_share_prefix(const AttentionBackend& attention, const ModelConfig& config);

// Returns the longest text that a model can run under this attention: its context, or no bound where attention places
// every key within it. Null: default_attention().
std::int64_t longest_text(const AttentionBackend* attention, const ModelConfig& config);

// Returns mismatch, with field `field`, where a text of so many tokens is longer than that.
Status check_length(std::int64_t tokens, const AttentionBackend* attention, const ModelConfig& config,
                    const std::string& what, const std::string& field);

} // namespace headscope
