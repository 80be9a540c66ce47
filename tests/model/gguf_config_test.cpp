// SPDX-License-Identifier: GPL-3.0-or-later
// How llama.cpp reads a file's rotary scaling, in the words of config.json. The expected values follow its source:
// ggml's rope_yarn multiplies with attn_factor (1 + 0.1 ln factor); a factor without a type is a linear one.
#include "core/model/gguf_config.h"

#include <cmath>

#include <gtest/gtest.h>

#include "core/model/families/family.h"

namespace headscope {
namespace {

// The keys that every file has, under the architecture's name, and others.
nlohmann::json metadata_of(const std::string& architecture, const nlohmann::json& extra) {
  nlohmann::json metadata = {{"general.architecture", architecture}};
  nlohmann::json keys = {{"block_count", 6},
                         {"context_length", 128},
                         {"embedding_length", 32},
                         {"feed_forward_length", 48},
                         {"attention.head_count", 4}};
  const bool layer_norm = architecture == "gpt2" || architecture == "gptneox";
  keys[layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon"] = 1e-6;
  if (architecture == "gptneox") keys["use_parallel_residual"] = true;
  for (const auto& [key, value] : keys.items())
    metadata[architecture + "." + key] = value;
  for (const auto& [key, value] : extra.items()) {
    metadata[architecture + "." + key] = value;
    if (value.is_null()) metadata.erase(architecture + "." + key);
  }
  return metadata;
}

nlohmann::json rope_of(const nlohmann::json& extra) {
  nlohmann::json metadata = metadata_of("llama", {});
  metadata.update(extra);
  const auto config = config_from_gguf(metadata, "file.gguf", 100);
  EXPECT_TRUE(config.ok());
  return (*config)["rope_parameters"];
}

ModelConfig configured(const std::string& architecture, const nlohmann::json& extra) {
  const auto config = config_from_gguf(metadata_of(architecture, extra), "file.gguf", 100);
  EXPECT_TRUE(config.ok()) << config.error().to_string();
  ModelConfig out;
  ConfigFields fields(*config, "file.gguf");
  family_of_gguf(architecture)->configure(fields, out);
  EXPECT_TRUE(fields.status().ok()) << fields.status().error().to_string();
  return out;
}

// The field that is refused; "" when none is.
std::string refused(const std::string& architecture, const nlohmann::json& extra) {
  const auto config = config_from_gguf(metadata_of(architecture, extra), "file.gguf", 100);
  return config.ok() ? "" : config.error().field;
}

TEST(GgufRope, AFactorWithoutATypeIsLinear) {
  EXPECT_EQ(rope_of({{"llama.rope.scaling.factor", 4.0}}), (nlohmann::json{{"rope_type", "linear"}, {"factor", 4.0}}));
  EXPECT_EQ(rope_of({{"llama.rope.scale_linear", 2.0}}), (nlohmann::json{{"rope_type", "linear"}, {"factor", 2.0}}));
  EXPECT_FALSE(rope_of({{"llama.rope.scaling.type", "none"}, {"llama.rope.scaling.factor", 4.0}}).contains("factor"));
  EXPECT_FALSE(rope_of({{"llama.rope.scale_linear", 0.0}}).contains("rope_type"));
}

TEST(GgufRope, YarnsOwnKeys) {
  const nlohmann::json yarn = {{"llama.rope.scaling.type", "yarn"}, {"llama.rope.scaling.factor", 4.0}};
  EXPECT_FALSE(rope_of(yarn).contains("attention_factor"));
  nlohmann::json keys = yarn;
  keys.update({{"llama.rope.scaling.yarn_beta_fast", 8.0},
               {"llama.rope.scaling.yarn_beta_slow", 0.5},
               {"llama.rope.scaling.attn_factor", 1.5},
               {"llama.rope.scaling.yarn_attn_factor", 2.0}});
  const nlohmann::json rope = rope_of(keys);
  EXPECT_EQ(rope["beta_fast"], 8.0);
  EXPECT_EQ(rope["beta_slow"], 0.5);
  EXPECT_NEAR(rope["attention_factor"].get<double>(), 3.0 * (1.0 + 0.1 * std::log(4.0)), 1e-12);
}

// Without extrapolation, ggml interpolates all dimensions and leaves the amplitude alone.
TEST(GgufRope, YarnWithoutExtrapolation) {
  const nlohmann::json rope = rope_of({{"llama.rope.scaling.type", "yarn"},
                                       {"llama.rope.scaling.factor", 4.0},
                                       {"llama.rope.scaling.yarn_ext_factor", 0.0}});
  EXPECT_EQ(rope["extrapolation_factor"], 0.0);
  EXPECT_EQ(rope["attention_factor"], 1.0);
}

// llama-model.cpp, LLM_ARCH_GEMMA3: a window only where the key says one above 0, one rotary step for all layers else.
TEST(GgufGemma3, WithoutAWindow) {
  for (const nlohmann::json& window : {nlohmann::json(nullptr), nlohmann::json(0)}) {
    const ModelConfig config = configured("gemma3", {{"attention.sliding_window", window}, {"rope.freq_base", 5000.0}});
    for (const LayerConfig& layer : config.layers) {
      EXPECT_FALSE(layer.window.has_value());
      EXPECT_EQ(layer.rotary, 0);
    }
    EXPECT_EQ(config.rotary[0].theta, 5000.0);
  }
}

TEST(GgufGemma3, PatternOfTheWindow) {
  const auto windows = [](const nlohmann::json& extra) {
    nlohmann::json keys = {{"attention.sliding_window", 8}};
    if (!extra.is_null()) keys.update(extra);
    std::string text;
    for (const LayerConfig& layer : configured("gemma3", keys).layers)
      text += layer.window ? (layer.rotary == 1 ? 'w' : '?') : (layer.rotary == 0 ? '-' : '?');
    return text;
  };
  EXPECT_EQ(windows({}), "wwwww-");
  EXPECT_EQ(windows({{"attention.sliding_window_pattern", 3}}), "ww-ww-");
  EXPECT_EQ(windows({{"attention.sliding_window_pattern", 1}}), "------");
  EXPECT_EQ(windows({{"attention.sliding_window_pattern", 0}}), "wwwwww"); // set_swa_pattern(0)
  EXPECT_EQ(windows({{"attention.sliding_window_pattern", {true, false, true, true, false, false}}}), "w-ww--");
}

// The defaults that llama.cpp uses where a key is missing.
TEST(GgufAbsent, Defaults) {
  EXPECT_EQ(configured("gemma3", {}).n_kv_heads, 4); // not the 4 K/V heads or the head size of some config class
  EXPECT_EQ(configured("gemma3", {}).d_head, 8);
  EXPECT_EQ(configured("qwen3", {}).d_head, 8);
  EXPECT_EQ(configured("gptneox", {}).rotary[0].dim, 8);
  EXPECT_EQ(configured("gptneox", {{"rope.dimension_count", 2}}).rotary[0].dim, 2);
  EXPECT_EQ(configured("gemma3", {}).rotary[0].theta, 10000.0);
  EXPECT_EQ(configured("gemma2", {}).attn_softcap, 50.0);
  EXPECT_EQ(configured("gemma2", {}).final_softcap, 30.0);
  EXPECT_EQ(configured("gemma2", {}).layers[0].window, 4096);
  EXPECT_FALSE(configured("gemma2", {}).layers[1].window.has_value());
  EXPECT_FALSE(configured("gemma3", {}).final_softcap.has_value());
  EXPECT_FALSE(configured("llama", {}).layers[0].window.has_value());
}

TEST(GgufAbsent, WhatHasNoDefaultIsNamed) {
  EXPECT_EQ(refused("llama", {{"attention.layer_norm_rms_epsilon", nullptr}}),
            "llama.attention.layer_norm_rms_epsilon");
  EXPECT_EQ(refused("gpt2", {{"attention.layer_norm_epsilon", nullptr}}), "gpt2.attention.layer_norm_epsilon");
  EXPECT_EQ(refused("gptneox", {{"use_parallel_residual", nullptr}}), "gptneox.use_parallel_residual");
  EXPECT_EQ(refused("qwen2", {{"context_length", nullptr}}), "qwen2.context_length");
}

TEST(GgufLists, OfEqualNumbersAreOneNumber) {
  EXPECT_EQ(configured("llama", {{"attention.head_count_kv", {2, 2, 2, 2, 2, 2}}}).n_kv_heads, 2);
  EXPECT_EQ(refused("llama", {{"attention.head_count_kv", {2, 4}}}), "llama.attention.head_count_kv");
  EXPECT_EQ(refused("llama", {{"feed_forward_length", nlohmann::json::array()}}), "llama.feed_forward_length");
}

TEST(GgufUnread, KeysThatChangeTheComputationAreRefusedByName) {
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, nlohmann::json>>{{"attention.causal", false},
                                                           {"attention.clamp_kqv", 8.0},
                                                           {"attention.max_alibi_bias", 8.0},
                                                           {"attention.scale", 0.5},
                                                           {"logit_scale", 0.25},
                                                           {"residual_scale", 0.5},
                                                           {"embedding_scale", 12.0},
                                                           {"expert_count", 8},
                                                           {"attn_logit_softcapping", 50.0},
                                                           {"final_logit_softcapping", 30.0},
                                                           {"attention.key_length_swa", 16},
                                                           {"rope.freq_base_swa", 5000.0},
                                                           {"rope.dimension_sections", {1, 1, 2}}})
    EXPECT_EQ(refused("llama", {{key, value}}), "llama." + key);
  EXPECT_EQ(refused("gemma3", {{"attn_logit_softcapping", 50.0}}), "gemma3.attn_logit_softcapping");
}

TEST(GgufUnread, ValuesThatChangeNothingAreAccepted) {
  EXPECT_EQ(refused("llama", {{"attention.causal", true},
                              {"attention.clamp_kqv", 0.0},
                              {"logit_scale", 1.0},
                              {"residual_scale", 0.0},
                              {"expert_count", 0},
                              {"rope.dimension_sections", {0, 0, 0, 0}},
                              {"final_logit_softcapping", 0.0}}),
            "");
}

} // namespace
} // namespace headscope
