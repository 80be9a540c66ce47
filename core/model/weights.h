// SPDX-License-Identifier: GPL-3.0-or-later
// A model's parameters, laid out for execution: q, k and v in one matrix, gate and up in one matrix.
// Axes: `x out in` for matrices that multiply as y = x W^T + b (torch's linear).
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "core/model/config.h"

namespace headscope {

struct NormWeights {
  at::Tensor w; // [d]; undefined when the norm has none. Gemma's "1 +" is already added.
  at::Tensor b; // [d]; undefined when the norm has none
};

struct BlockWeights {
  NormWeights ln1, ln1_post, ln2, ln2_post;
  NormWeights q_norm, k_norm; // [d_head]
  at::Tensor w_qkv;           // [(n_heads + 2 n_kv_heads) d_head, d_model], rows: all q heads, all k heads, all v heads
  at::Tensor b_qkv;           // same rows, or undefined
  at::Tensor w_o;             // [d_model, n_heads d_head]
  at::Tensor b_o;             // [d_model], or undefined
  at::Tensor w_in;            // gated: [2 d_mlp, d_model], gate first, then up; else [d_mlp, d_model]
  at::Tensor b_in;            // same rows, or undefined
  at::Tensor b_post;          // [d_mlp], added after the gate, or undefined
  at::Tensor w_out;           // [d_model, d_mlp]
  at::Tensor b_out;           // [d_model], or undefined
};

struct ModelWeights {
  at::Tensor w_e; // [d_vocab, d_model]
  NormWeights ln_embed;
  at::Tensor w_pos; // [n_ctx + learned_position_offset, d_model], or undefined
  std::vector<BlockWeights> blocks;
  NormWeights ln_final;
  at::Tensor w_u; // [n_logits, d_model]; shares memory with w_e when the model ties them
  at::Tensor b_u; // [n_logits], or undefined
};

// Views by TransformerLens's names and axes, on native K/V heads (W_K and W_V have n_kv_heads).
at::Tensor view_w_q(const ModelConfig&, const BlockWeights&); // [head_index, d_model, d_head]
at::Tensor view_w_k(const ModelConfig&, const BlockWeights&); // [kv_head_index, d_model, d_head]
at::Tensor view_w_v(const ModelConfig&, const BlockWeights&); // [kv_head_index, d_model, d_head]
at::Tensor view_w_o(const ModelConfig&, const BlockWeights&); // [head_index, d_head, d_model]

// The bytes of all parameters, each storage counted once.
std::int64_t weight_bytes(const ModelWeights&);
std::int64_t parameter_count(const ModelWeights&); // likewise

} // namespace headscope
