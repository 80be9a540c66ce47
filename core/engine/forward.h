// SPDX-License-Identifier: GPL-3.0-or-later
// One run of the model: the same code for every family, driven by ModelConfig.
#pragma once

#include "core/engine/attention_needs.h"
#include "core/engine/hook_plan.h"
#include "core/engine/rotary.h"

namespace headscope {

class ForwardPass {
public:
  ForwardPass(const Model& model, const AttentionBackend& attention, const RunRequest& request, HookPlan& plan,
              const RunSpan& span, bool differentiable);

  // Fills everything but `cache`, which stays in the plan. May throw; the engine catches.
  RunResult run();

private:
  at::Tensor embed();
  // Adds the rows that enter at this layer, except copies that enter at its z.
  at::Tensor with_entering(int layer, at::Tensor resid);
  bool wants(LogitRows rows) const { return request_.until == RunEnd(rows); }
  bool splits() const { return request_.split_matmul && !differentiable_; }
  // Computes x W^T + b. Here and below the result is added to `onto` where that is defined, in place if nothing else
  // uses its memory.
  at::Tensor linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, at::Tensor onto = {}) const;
  at::Tensor block(int layer, at::Tensor resid_pre);
  // Runs the last block where only the last position's logits are wanted: keys and values at all positions, everything
  // else at the last one. Returns [batch, 1, d_model].
  at::Tensor last_block(int layer, const at::Tensor& resid_pre);
  bool only_last_matters(int layer) const;
  bool only_last_matters_after_z(int layer) const;
  at::Tensor finish_block(int layer, at::Tensor resid_pre, const at::Tensor& z);
  // Returns resid + mlp_out; the MLP reads `mlp_in`, or resid where that is undefined.
  at::Tensor with_mlp(int layer, at::Tensor resid, const at::Tensor& mlp_in);
  at::Tensor normed_for_mlp(int layer, const at::Tensor& resid);
  at::Tensor mlp(int layer, const at::Tensor& normed, at::Tensor onto); // before its last norm
  at::Tensor unembed(const at::Tensor& resid);

  struct Projections {
    at::Tensor q, k, v;                                        // [batch, pos, heads, d_head]
    at::Tensor all_q = {}, unrotated_q = {}, unrotated_k = {}; // only where attention needs them; with earlier ones
  };
  Projections project(int layer, const at::Tensor& resid_pre);
  // Projects head by head, when each head reads a residual of its own.
  at::Tensor project_by_head(int layer, const at::Tensor& resid_pre, HookPoint input, std::int64_t row,
                             std::int64_t heads);
  void norm_heads(int layer, Projections& projections) const;
  void rotate(int layer, Projections& projections);
  void extend_cache(int layer, Projections& projections);
  at::Tensor attend(int layer, const Projections& projections, std::int64_t first_query = 0);
  // What attention needs in this layer; nothing, except of backends that differ by layer.
  LayerNeeds needs(int layer) const { return layered_ ? layered_->needs(layer) : LayerNeeds{}; }
  AttentionRows attention_rows(int layer, const Projections& projections) const;
  // Returns z: computed, or given for rows that enter at it. Rows that enter here as copies are appended to resid_pre.
  at::Tensor attend_block(int layer, at::Tensor& resid_pre);
  at::Tensor output(int layer, const at::Tensor& z, at::Tensor onto);
  at::Tensor with_attention(int layer, at::Tensor resid_pre, const at::Tensor& z); // resid_pre + attn_out
  std::vector<std::int64_t> row_lengths() const;
  RotaryTables tables(int layer, std::int64_t rows); // of the first rows

  const Model& model_;
  const ModelConfig& config_;
  const AttentionBackend& attention_;
  const LayeredAttention* layered_; // the same, where it differs by layer; else null
  const RunRequest& request_;
  HookPlan& plan_;
  RunSpan span_;
  bool differentiable_;
  at::Tensor positions_; // [batch or 1, pos]: slot minus left padding
  // How many groups of request_.rows have entered, and how many of them are copies.
  std::size_t entered_ = 0, copies_entered_ = 0;
  const RowGroup* entering_ = nullptr; // at this layer
  std::vector<at::Tensor> copied_;     // of copies each: which row every row from then on is [row]
  at::Tensor copied_at_z_;             // the same, where copies enter at this layer's z
  at::Tensor given_z_;                 // of this layer's last rows, which enter here; undefined: z is computed
  std::vector<RotaryTables> tables_;   // one a rotary config
};

} // namespace headscope
