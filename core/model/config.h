// SPDX-License-Identifier: GPL-3.0-or-later
// The shape of a model and the choices that make up its forward pass. Nothing here is specific to a family: the files
// in core/model/families fill it in, and the engine reads it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/vocabulary/named.h"

namespace headscope {

enum class NormKind {
  none,
  layer_norm,     // (x - mean) / sqrt(var + eps) * w + b
  layer_norm_pre, // the same without w and b (TransformerLens's LNPre)
  rms_norm,       // x / sqrt(mean(x^2) + eps) * w
};

enum class Activation { gelu, gelu_tanh, relu, silu };
enum class PositionKind { none, learned, rotary };
enum class RopeScalingKind { none, linear, dynamic, llama3, yarn };
template <> std::span<const Named<RopeScalingKind>> names_of<RopeScalingKind>(); // as in config.json's rope_type

// Hugging Face's `rope_scaling` (`rope_parameters`), with the same field names.
struct RopeScaling {
  RopeScalingKind kind = RopeScalingKind::none;
  double factor = 1.0;
  std::int64_t original_max_position = 0;
  double low_freq_factor = 1.0;           // llama3
  double high_freq_factor = 4.0;          // llama3
  double beta_fast = 32.0;                // yarn
  double beta_slow = 1.0;                 // yarn
  std::optional<double> attention_factor; // yarn; unset: 0.1 ln(factor) + 1
  std::optional<double> mscale;           // yarn
  std::optional<double> mscale_all_dim;   // yarn
  bool truncate = true;                   // yarn: whether the correction range is rounded to whole dimensions
  double extrapolation = 1.0;             // yarn; llama.cpp's ext_factor: how much of the unscaled angle is mixed in
};

struct RotaryConfig {
  std::int64_t dim = 0;   // rotated dimensions of each head, from the front; rotate-half layout
  double theta = 10000.0; // base
  RopeScaling scaling;
  std::vector<float> freq_factors; // GGUF's rope_freqs: each inverse frequency is divided by one; empty: none
  std::int64_t unrounded_dim = 0;  // transformers' exponents are 2i / this where a share of the head is odd; 0: dim
};

struct LayerConfig {
  std::optional<std::int64_t> window; // sliding window: key k is seen by query q when 0 <= q - k < window
  int rotary = 0;                     // index into ModelConfig::rotary
  double score_factor = 1.0;          // beside attn_scale: 1 / (layer + 1) in Stanford's GPT-2
};

struct ModelConfig {
  std::string architecture; // id of the family, e.g. "gemma3"

  std::int64_t n_layers = 0;
  std::int64_t d_model = 0;
  std::int64_t n_heads = 0;
  std::int64_t n_kv_heads = 0; // divides n_heads; head h reads K/V head h / (n_heads / n_kv_heads)
  std::int64_t d_head = 0;
  std::int64_t d_mlp = 0; // 0: attention-only
  std::int64_t d_vocab = 0;
  std::int64_t d_vocab_out = 0; // logits of models whose output vocabulary is another one; 0: d_vocab
  std::int64_t n_ctx = 0;
  // Unset where the format does not say, as in GGUF: the file's tensors decide.
  std::optional<bool> tied_embeddings; // true: the file may still have an unembedding, which must then be equal
  std::optional<bool> attention_bias;  // on q, k, v and the attention's output
  std::optional<bool> mlp_bias;

  NormKind norm = NormKind::rms_norm;
  double norm_eps = 1e-5;
  bool norm_scale_in_float32 = false; // Gemma: multiplies by the weight before rounding to the model's dtype
  bool norm_has_weights = true;       // LNPre, RMSPre, OPT without affine norms: false
  bool final_norm = true;
  std::optional<NormKind> final_norm_kind; // where it is not `norm`
  bool embed_norm = false;                 // a LayerNorm with weights on the embedding, before its hook
  bool post_norms = false; // Gemma 2/3: a norm on the output of attention and MLP, before it joins the residual
  bool qk_norm = false;    // Qwen 3, Gemma 3: RMSNorm of each head's q and k before the rotary step

  bool parallel_residual = false; // GPT-NeoX: attention and MLP both read resid_pre
  Activation activation = Activation::silu;
  bool gated_mlp = true;
  bool mlp_bias_after_gate = false; // TransformerLens: activation(gate) * up + b_in, not activation(gate) * (up + b_in)

  PositionKind positions = PositionKind::rotary;
  std::int64_t learned_position_offset = 0; // OPT: 2
  std::vector<RotaryConfig> rotary;         // usually one; Gemma 3: global and local
  bool rotary_adjacent_pairs = false;       // the file pairs neighbours (2i, 2i+1); the engine pairs (i, i + dim/2)
  std::vector<LayerConfig> layers;          // n_layers of them

  double attn_scale = 0.0;             // multiplies q.k
  std::optional<double> attn_softcap;  // scores -> cap * tanh(scores / cap), before the mask
  std::optional<double> final_softcap; // the same on the logits
  double embed_scale = 1.0;            // Gemma: sqrt(d_model), rounded to the model's dtype

  bool has_mlp() const { return d_mlp > 0; }
  // A block has no hook_resid_mid when attention and MLP run in parallel or there is no MLP.
  bool has_resid_mid() const { return has_mlp() && !parallel_residual; }
  bool uses_rotary() const { return positions == PositionKind::rotary; }
  // Whether a token's rotation depends on the length of its prompt as well as on its position.
  bool rotary_depends_on_length() const {
    if (!uses_rotary()) return false;
    return std::any_of(rotary.begin(), rotary.end(),
                       [](const RotaryConfig& one) { return one.scaling.kind == RopeScalingKind::dynamic; });
  }
  std::int64_t n_logits() const { return d_vocab_out > 0 ? d_vocab_out : d_vocab; }
  NormKind last_norm() const { return final_norm_kind.value_or(norm); }
};

} // namespace headscope
