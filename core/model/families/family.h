// SPDX-License-Identifier: GPL-3.0-or-later
// A family is a description of one architecture: which configs it reads, what the fields mean, what its tensors are
// called and how they are laid out. The loader and the engine never branch on a family's name.
// To add one: write a file like llama.cpp and name it in list.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/model/config.h"
#include "core/model/config_fields.h"

namespace headscope {

// Tensor names. "{}" stands for the layer. A leading '?' marks a tensor that may be missing: a bias is then read where
// ModelConfig asks for it, and where that says nothing, from all layers or from none. A leading '/' (after the '?')
// marks a name without the prefix, and an empty name a tensor that the family lacks. Names separated by '|' are used by
// different writers for one tensor: the first that the file has is read.
struct TensorNames {
  std::vector<std::string> prefixes = {""}; // the first under which `embed` exists is used
  std::string embed, pos_embed;
  std::string ln_embed_w, ln_embed_b;
  std::string unembed, unembed_b; // unembed missing: tied to embed, unless the config says otherwise
  std::string ln_final_w, ln_final_b;
  std::string ln1_w, ln1_b, ln1_post_w, ln2_w, ln2_b, ln2_post_w;
  std::string q_norm_w, k_norm_w;
  std::string qkv_w, qkv_b; // fused, or the six below; where a family names all, the fused ones where they are
  std::string q_w, q_b, k_w, k_b, v_w, v_b;
  std::string o_w, o_b;
  std::string gate_w, gate_b; // gated MLPs only
  std::string in_w, in_b;     // the up projection of a gated MLP
  std::string out_w, out_b;
};

enum class MatrixLayout {
  out_in,          // torch's Linear
  in_out,          // GPT-2's Conv1D
  transformer_lens // W_Q [head, d_model, d_head], W_O [head, d_head, d_model], W_in [d_model, d_mlp]
};

struct FormatRules {
  TensorNames names;
  MatrixLayout layout = MatrixLayout::out_in;
  bool qkv_by_head = false;        // fused rows are [head, (q, k, v), d_head] instead of all q, all k, all v
  bool rotary_interleaved = false; // rows of q and k pair neighbours (2i, 2i+1); the engine pairs (i, i + dim/2)
  double norm_offset = 0.0;        // added to norm weights: 1 where the file stores w - 1
};

struct Family {
  std::string id;
  std::vector<std::string> model_types;        // `model_type` in config.json
  std::vector<std::string> gguf_architectures; // `general.architecture`
  // Fills the config from fields spelled as in config.json (GGUF metadata is translated first).
  void (*configure)(ConfigFields& fields, ModelConfig& config) = nullptr;
  FormatRules hugging_face;
  FormatRules gguf;
};

const std::vector<Family>& all_families();
const Family* family_of_model_type(std::string_view model_type);
const Family* family_of_gguf(std::string_view architecture);

// ---- Helpers that most descriptions share.

// Reads hidden_size, num_hidden_layers, heads, d_head, vocab and context, and makes one LayerConfig per layer.
// Without a default, d_head is hidden_size over heads where the config does not say.
void configure_shape(ConfigFields& fields, ModelConfig& config, std::optional<std::int64_t> default_d_head = {});
// Configures a Llama-like model: RMSNorm, rotary, gated MLP, attn_scale = 1/sqrt(d_head), no biases except by
// `attention_bias`, not tied.
void configure_llama_like(ConfigFields& fields, ModelConfig& config, std::optional<std::int64_t> default_d_head = {});
// Reads rotary settings from an object like `rope_parameters`; the shape in `config` must be set. `share` of each head
// is rotated: transformers reads `partial_rotary_factor` for GPT-NeoX only.
RotaryConfig rotary_from(ConfigFields& fields, ConfigFields parameters, const ModelConfig& config, double default_theta,
                         double share = 1.0);
// The fields of `rope_scaling` (the older name), or of `rope_parameters` where that is absent or empty, as in
// transformers.
ConfigFields rope_parameters(ConfigFields& fields);
Activation activation_from(ConfigFields& fields, Keys keys, const std::string& otherwise);
// Divides the scores of layer i by i + 1, as in Stanford's GPT-2.
void divide_scores_by_layer(ModelConfig& config);
// Extends the context to the length that rotary scaling is meant for, where that is longer, as transformers does.
void stretch_context(ModelConfig& config);
// Reads `sliding_window`; 0 and null mean none.
std::optional<std::int64_t> window_from(ConfigFields& fields, std::optional<std::int64_t> otherwise);
// Sets the window on layers that `layer_types` calls sliding_attention; without that field, on those that otherwise(i)
// names.
void configure_windows(ConfigFields& fields, ModelConfig& config, std::int64_t window,
                       bool (*otherwise)(std::int64_t layer, ConfigFields& fields));

TensorNames llama_names();                        // Hugging Face
TensorNames gguf_names(bool with_biases = false); // llama.cpp's names for gated models

Family gpt2_family();
Family gpt_neox_family();
Family llama_family();
Family mistral_family();
Family qwen2_family();
Family qwen3_family();
Family gemma_family();
Family gemma2_family();
Family gemma3_family();
Family opt_family();
Family hooked_transformer_family();

} // namespace headscope
