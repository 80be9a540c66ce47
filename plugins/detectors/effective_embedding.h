// SPDX-License-Identifier: GPL-3.0-or-later
// Circuits from weights alone: a token's embedding after block 0's MLP, what each head of a layer writes for it, and
// which tokens that predicts.
#pragma once

#include <string>

#include "core/model/model.h"

namespace headscope {

struct EffectiveEmbedding {
  bool ln2 = false;      // with block 0's norm before the MLP, and the one after it where there is one
  bool residual = false; // plus the embedding itself
};

// Computes MLP0(W_E[t]) of each token: [token, d_model], float32, including the MLP's own biases.
at::Tensor effective_embedding(const Model& model, const at::Tensor& tokens, const EffectiveEmbedding& how);

// Describes the same for this model: "MLP0(W_E[t])". Embeddings are scaled where the model scales them (Gemma), and the
// norm after the MLP counts as part of ln2.
std::string describe_embedding(const ModelConfig& config, const EffectiveEmbedding& how);

// Computes x W_V W_O of every head of a layer: [head_index, token, d_model]; grouped heads use their shared K/V head.
at::Tensor head_outputs(const Model& model, int layer, const at::Tensor& x, bool biases);

// The logits of the given tokens: [head_index, token, candidate].
at::Tensor read_out(const Model& model, const at::Tensor& written, const at::Tensor& candidates, bool final_norm);

} // namespace headscope
