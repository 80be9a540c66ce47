// SPDX-License-Identifier: GPL-3.0-or-later
// Models as described by config.json, read as transformers 5.23 does (the values are those of its config classes).
#include <cmath>

#include <gtest/gtest.h>

#include "core/model/families/family.h"
#include "core/model/text_config.h"

namespace headscope {
namespace {

const nlohmann::json llama = {
    {"hidden_size", 32}, {"num_hidden_layers", 4},   {"num_attention_heads", 4},     {"intermediate_size", 48},
    {"vocab_size", 100}, {"num_key_value_heads", 2}, {"max_position_embeddings", 16}};

ModelConfig configured(const std::string& type, nlohmann::json config, const nlohmann::json& change = {}) {
  if (!change.is_null()) config.update(change);
  ModelConfig out;
  ConfigFields fields(config, "config.json");
  family_of_model_type(type)->configure(fields, out);
  EXPECT_TRUE(fields.status().ok()) << fields.status().error().to_string();
  return out;
}

nlohmann::json scaling(const std::string& type, double factor) {
  return {{"rope_scaling", {{"rope_type", type}, {"factor", factor}}}};
}

TEST(Context, ReachesAsFarAsTheScaling) {
  EXPECT_EQ(configured("llama", llama).n_ctx, 16);
  EXPECT_EQ(configured("llama", llama, scaling("linear", 4.0)).n_ctx, 64);
  EXPECT_EQ(configured("llama", llama, scaling("yarn", 4.0)).n_ctx, 64);
  EXPECT_EQ(configured("llama", llama, scaling("dynamic", 4.0)).n_ctx, 64);
  nlohmann::json yarn = scaling("yarn", 2.0);
  yarn["rope_scaling"]["original_max_position_embeddings"] = 4; // 8 is less than what the config has anyway
  EXPECT_EQ(configured("llama", llama, yarn).n_ctx, 16);
  yarn["rope_scaling"]["original_max_position_embeddings"] = 10;
  EXPECT_EQ(configured("llama", llama, yarn).n_ctx, 20);
}

TEST(Context, FactorsBelowOneShrinkNothing) {
  for (const char* type : {"linear", "dynamic", "yarn"}) {
    const ModelConfig config = configured("llama", llama, scaling(type, 0.5));
    EXPECT_EQ(config.n_ctx, 16) << type;
    EXPECT_EQ(config.rotary.front().scaling.factor, 0.5) << type;
  }
}

TEST(Window, ZeroIsNone) {
  for (const char* type : {"mistral", "gemma2", "gemma3_text"})
    for (const LayerConfig& layer : configured(type, llama, {{"sliding_window", 0}}).layers)
      EXPECT_FALSE(layer.window.has_value()) << type;
}

TEST(Window, PatternSaysWhichLayers) {
  const ModelConfig config = configured("gemma3_text", llama, {{"sliding_window", 3}, {"sliding_window_pattern", 2}});
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(config.layers[i].window.has_value(), i % 2 == 0);
    EXPECT_EQ(config.layers[i].rotary, i % 2 == 0 ? 1 : 0);
  }
}

TEST(Gpt2, ScoresDividedByTheLayer) {
  const nlohmann::json gpt2 = {{"n_embd", 32}, {"n_layer", 3}, {"n_head", 4}, {"vocab_size", 100}, {"n_positions", 16}};
  const ModelConfig config =
      configured("gpt2", gpt2, {{"scale_attn_by_inverse_layer_idx", true}, {"reorder_and_upcast_attn", true}});
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_DOUBLE_EQ(config.layers[i].score_factor, 1.0 / static_cast<double>(i + 1));
  EXPECT_DOUBLE_EQ(configured("gpt2", gpt2).layers[2].score_factor, 1.0);
}

// The published config of google/gemma-3-4b-it, whose text_config leaves out what is transformers' default.
TEST(TextConfig, SparseOfGemma3) {
  const nlohmann::json published = {{"model_type", "gemma3"},
                                    {"text_config",
                                     {{"hidden_size", 2560},
                                      {"intermediate_size", 10240},
                                      {"model_type", "gemma3_text"},
                                      {"num_hidden_layers", 34},
                                      {"rope_scaling", {{"factor", 8.0}, {"rope_type", "linear"}}},
                                      {"sliding_window", 1024}}}};
  const auto text = text_config(published, "config.json");
  ASSERT_TRUE(text.ok());
  const ModelConfig config = configured("gemma3_text", *text);
  EXPECT_EQ(config.n_heads, 8);
  EXPECT_EQ(config.n_kv_heads, 4);
  EXPECT_EQ(config.d_head, 256);
  EXPECT_EQ(config.d_vocab, 262208);
  EXPECT_EQ(config.n_ctx, 131072);
  EXPECT_DOUBLE_EQ(config.rotary[0].theta, 1e6);
  EXPECT_DOUBLE_EQ(config.rotary[0].scaling.factor, 8.0);
  EXPECT_EQ(config.rotary[1].scaling.kind, RopeScalingKind::none);
  EXPECT_FALSE(config.layers[5].window.has_value());
  EXPECT_EQ(config.layers[4].window, 1024);
}

TEST(TextConfig, OfLlava) {
  // llava-1.5-7b-hf: a Vicuna whose sizes are those of LlamaConfig.
  const nlohmann::json published = {
      {"model_type", "llava"},
      {"text_config", {{"model_type", "llama"}, {"max_position_embeddings", 4096}, {"vocab_size", 32064}}}};
  const ModelConfig config = configured("llama", *text_config(published, "config.json"));
  EXPECT_EQ(config.n_layers, 32);
  EXPECT_EQ(config.d_mlp, 11008);
  EXPECT_EQ(config.n_kv_heads, 32);
  EXPECT_EQ(config.d_vocab, 32064);
}

TEST(TextConfig, OthersStayAsTheyAre) { EXPECT_EQ(*text_config(llama, "config.json"), llama); }

TEST(TextConfig, MustBeAnObject) {
  const auto text = text_config({{"model_type", "gemma3"}, {"text_config", 3}}, "config.json");
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().field, "text_config");
}

} // namespace
} // namespace headscope
