// SPDX-License-Identifier: GPL-3.0-or-later
// One run of the model: the same code for every family, driven by ModelConfig.
#pragma once

#include "core/engine/hook_plan.h"
#include "core/engine/rotary.h"

namespace headscope {

class ForwardPass {
public:
  ForwardPass(const Model& model, const AttentionBackend& attention, const RunRequest& request, HookPlan& plan,
              const RunSpan& span, bool differentiable);

  // Everything but `cache`, which stays in the plan. Throws; the engine guards.
  RunResult run();

private:
  at::Tensor embed();
  // The rows that enter at this layer, too, but for copies at its z.
  at::Tensor with_entering(int layer, at::Tensor resid);
  bool wants(LogitRows rows) const { return request_.until == RunEnd(rows); }
  bool splits() const { return request_.split_matmul && !differentiable_; }
  // x W^T + b, here and below added to `onto` where that is defined, in its memory where nobody else has it.
  at::Tensor linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, at::Tensor onto = {}) const;
  at::Tensor block(int layer, at::Tensor resid_pre);
  // The last block where only the last position's logits are wanted: its keys and values of all positions, everything
  // else of the last one alone. -> [batch, 1, d_model]
  at::Tensor last_block(int layer, const at::Tensor& resid_pre);
  bool only_last_matters(int layer) const;
  bool only_last_matters_after_z(int layer) const;
  at::Tensor finish_block(int layer, at::Tensor resid_pre, const at::Tensor& z);
  // resid + mlp_out; the MLP reads `mlp_in`, or resid where that is undefined.
  at::Tensor with_mlp(int layer, at::Tensor resid, const at::Tensor& mlp_in);
  at::Tensor normed_for_mlp(int layer, const at::Tensor& resid);
  at::Tensor mlp(int layer, const at::Tensor& normed, at::Tensor onto); // before its last norm
  at::Tensor unembed(const at::Tensor& resid);

  struct Projections {
    at::Tensor q, k, v; // [batch, pos, heads, d_head]
  };
  Projections project(int layer, const at::Tensor& resid_pre);
  // The long way, when each head reads a residual of its own.
  at::Tensor project_by_head(int layer, const at::Tensor& resid_pre, HookPoint input, std::int64_t row,
                             std::int64_t heads);
  void norm_heads(int layer, Projections& projections) const;
  void rotate(int layer, Projections& projections);
  void extend_cache(int layer, Projections& projections);
  at::Tensor attend(int layer, const Projections& projections, std::int64_t first_query = 0);
  // z, computed or as rows enter with; resid_pre gets the rows that enter here as copies.
  at::Tensor attend_block(int layer, at::Tensor& resid_pre);
  at::Tensor output(int layer, const at::Tensor& z, at::Tensor onto);
  at::Tensor with_attention(int layer, at::Tensor resid_pre, const at::Tensor& z); // resid_pre + attn_out
  std::vector<std::int64_t> row_lengths() const;
  RotaryTables tables(int layer, std::int64_t rows); // of the first rows

  const Model& model_;
  const ModelConfig& config_;
  const AttentionBackend& attention_;
  const RunRequest& request_;
  HookPlan& plan_;
  RunSpan span_;
  bool differentiable_;
  at::Tensor positions_; // [batch or 1, pos]: slot minus left padding
  // Of request_.rows, and of those that are copies: how many have entered.
  std::size_t entered_ = 0, copies_entered_ = 0;
  const RowGroup* entering_ = nullptr; // at this layer
  std::vector<at::Tensor> copied_;     // of copies each: which row every row from then on is [row]
  at::Tensor copied_at_z_;             // the same, where copies enter at this layer's z
  at::Tensor given_z_;                 // of this layer's last rows, which enter here; undefined: z is computed
  std::vector<RotaryTables> tables_;   // one a rotary config
};

} // namespace headscope
