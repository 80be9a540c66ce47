// SPDX-License-Identifier: GPL-3.0-or-later
// Adjusted heads against transformers (tests/golden/generate_steering.py), and the controls beside them.
#include "core/sweeps/head_adjustment.h"

#include <set>

#include "core/sweeps/sweep.h"
#include "tests/engine/golden.h"

namespace headscope {
namespace {

std::vector<AdjustmentPrompt> prompts_of(const at::Tensor& tokens) {
  std::vector<AdjustmentPrompt> out;
  for (std::int64_t row = 0; row < tokens.size(0); ++row) {
    const at::Tensor ids = tokens[row].contiguous();
    const auto* begin = ids.const_data_ptr<std::int64_t>();
    out.push_back({{begin, begin + ids.numel()}, {{3}, {7}}, {{"one", {5}}, {"two", {5, 9}}, {"none", {}}}});
  }
  return out;
}

const std::vector<HeadAdjustment> adjustments = {{{1, 0}, 1.0, "one"}, {{1, 2}, 1.0, "two"}, {{0, 3}, 2.5, ""}};

class HeadAdjustments : public testing::TestWithParam<std::string> {};

TEST_P(HeadAdjustments, EqualTransformersWithChangedWeights) {
  const Engine engine(load_golden(GetParam()));
  Tensors golden = read_golden("steering_" + GetParam());
  AdjustmentOptions options;
  options.seeds = 2;
  options.tokens_per_run = 40; // two variants at once
  const auto found = adjust_heads(engine, prompts_of(golden.at("tokens")), adjustments, options);
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  ASSERT_TRUE(found->complete);
  ASSERT_EQ(found->variants.size(), 4u);
  const at::Tensor before = read_golden(GetParam()).at("logits").select(1, 17),
                   after = golden.at("two_heads_one_scaled");
  for (std::size_t variant = 0; variant < 2; ++variant)
    for (std::int64_t row = 0; row < 2; ++row) {
      const at::Tensor logits = (variant == 0 ? before : after)[row];
      const std::size_t at = found->index(variant, static_cast<std::size_t>(row));
      EXPECT_NEAR(found->logit_diff[at], (logits[3] - logits[7]).item<double>(), 1e-4) << variant << " " << row;
      EXPECT_EQ(found->predicted[at], logits.argmax().item<std::int64_t>());
      EXPECT_EQ(found->accuracy[at], found->predicted[at] == 3 ? 1.0 : 0.0);
    }
  EXPECT_NEAR(found->mean_logit_diff(1), (after.select(1, 3) - after.select(1, 7)).mean().item<double>(), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Architectures, HeadAdjustments, testing::Values("gpt2", "llama"),
                         [](const auto& test) { return test.param; });

TEST(HeadAdjustments, ControlsAreTheSameChangesOfOtherHeadsInTheSameLayers) {
  const Engine engine(load_golden("llama"));
  AdjustmentOptions options;
  options.seeds = 6;
  const auto variants = adjustment_variants(adjustments, options, engine.config());
  ASSERT_EQ(variants.size(), 8u);
  EXPECT_TRUE(variants[0].empty());
  EXPECT_EQ(variants[1], adjustments);
  std::set<std::pair<HeadId, HeadId>> drawn;
  for (std::size_t i = 2; i < variants.size(); ++i) {
    ASSERT_EQ(variants[i].size(), 3u);
    std::set<HeadId> heads;
    for (std::size_t k = 0; k < 3; ++k) {
      const HeadAdjustment& control = variants[i][k];
      EXPECT_EQ(control.head.layer, adjustments[k].head.layer);
      EXPECT_EQ(control.scale, adjustments[k].scale);
      EXPECT_EQ(control.steer_to, adjustments[k].steer_to);
      for (const HeadAdjustment& chosen : adjustments)
        EXPECT_NE(control.head, chosen.head);
      heads.insert(control.head);
    }
    EXPECT_EQ(heads.size(), 3u);
    drawn.insert({variants[i][0].head, variants[i][2].head});
  }
  EXPECT_GT(drawn.size(), 1u);
}

TEST(HeadAdjustments, RefuseWhatCannotBeDone) {
  const Engine engine(load_golden("llama"));
  const auto prompts = prompts_of(read_golden("steering_llama").at("tokens"));
  const auto message = [&](std::vector<HeadAdjustment> asked) {
    return adjust_heads(engine, prompts, asked, {}).error().to_string();
  };
  EXPECT_NE(message({}).find("no head to adjust"), std::string::npos);
  EXPECT_NE(message({{{9, 0}, 2.0, ""}}).find("no head 9.0"), std::string::npos);
  EXPECT_NE(message({{{1, 0}, 1.0, "none"}}).find("no token 'none'"), std::string::npos);
  EXPECT_NE(message({{{1, 0}, 1.0, "other"}}).find("no token 'other'"), std::string::npos);
  EXPECT_NE(message({{{1, 0}, 1.0, "one", 1.5}}).find("0 to 1"), std::string::npos);
}

} // namespace
} // namespace headscope
