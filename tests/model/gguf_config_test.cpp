// SPDX-License-Identifier: GPL-3.0-or-later
// What llama.cpp reads of a file's rotary scaling, in the words of config.json. The expected values follow its source:
// ggml's rope_yarn multiplies with attn_factor (1 + 0.1 ln factor); a factor without a type is a linear one.
#include "core/model/gguf_config.h"

#include <cmath>

#include <gtest/gtest.h>

namespace headscope {
namespace {

nlohmann::json rope_of(nlohmann::json extra) {
  nlohmann::json metadata = {
      {"general.architecture", "llama"}, {"llama.attention.head_count", 4}, {"llama.embedding_length", 32}};
  metadata.update(extra);
  const auto config = config_from_gguf(metadata, "file.gguf", 100);
  EXPECT_TRUE(config.ok());
  return (*config)["rope_parameters"];
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

} // namespace
} // namespace headscope
