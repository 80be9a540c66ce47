// SPDX-License-Identifier: GPL-3.0-or-later
// Sets of nodes ablated together against transformers (tests/golden/generate_steer.py), and one head of them against
// the sweep over heads.
#include "core/sweeps/joint_ablation.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/sweeps/sweep.h"
#include "tests/engine/golden.h"
#include "tests/engine/tiny_model.h"

namespace headscope {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr double tolerance = 2e-4;

std::vector<std::int64_t> ids_of(const at::Tensor& row) {
  const at::Tensor whole = row.contiguous();
  return {whole.const_data_ptr<std::int64_t>(), whole.const_data_ptr<std::int64_t>() + whole.numel()};
}

AblationNodes nodes(const std::string& text, const ModelConfig& config) {
  const auto found = parse_nodes(text, config);
  EXPECT_TRUE(found.ok()) << (found.ok() ? "" : found.error().to_string());
  return found.ok() ? *found : AblationNodes{};
}

std::vector<std::string> names(const AblationNodes& list) {
  std::vector<std::string> out;
  for (const AblationNode& node : list)
    out.push_back(node_name(node));
  return out;
}

class JointlyAblated : public testing::TestWithParam<std::string> {
protected:
  at::Tensor golden(const std::string& name) const { return golden_.at(GetParam() + "." + name); }
  AblationNodes parsed(const std::string& text) const { return nodes(text, engine_.config()); }

  std::vector<AblationPrompt> prompts(const Answers& answers) const {
    std::vector<AblationPrompt> out;
    for (std::int64_t row = 0; row < 2; ++row)
      out.push_back({ids_of(golden("tokens")[row]), answers});
    return out;
  }

  // Compares with transformers' logits under each of several metrics.
  void check(const AblationNodes& set, AblationMethod method, const std::string& name) const {
    HeadAblationOptions options;
    options.method = method;
    const at::Tensor clean = golden("clean").to(at::kDouble), wanted = golden(name).to(at::kDouble);
    for (const Answers& answers : {Answers{{3}, {7}}, Answers{{50, 12}, {99}}, Answers{{0}, {61, 62}}})
      for (const MetricKind metric : {MetricKind::logit_diff, MetricKind::kl_divergence}) {
        options.metric = metric;
        const std::vector<Answers> both(2, answers);
        const auto want = metric_values(metric, wanted, both, clean);
        const auto got = ablate_together(engine_, prompts(answers), {set}, options);
        ASSERT_TRUE(got.ok()) << name << ": " << got.error().to_string();
        EXPECT_TRUE(got->complete);
        for (std::size_t prompt = 0; prompt < 2; ++prompt)
          EXPECT_NEAR(got->ablated[prompt], (*want)[static_cast<std::int64_t>(prompt)].item<double>(), tolerance)
              << name << " " << to_string(metric);
      }
  }

  Tensors golden_ = read_golden("../analysis/joint");
  Engine engine_{load_golden(GetParam())};
};
INSTANTIATE_TEST_SUITE_P(Architectures, JointlyAblated, testing::Values("gpt2", "llama"),
                         [](const auto& test) { return test.param; });

TEST_P(JointlyAblated, SetsGiveWhatTransformersGives) {
  for (const AblationMethod method : {AblationMethod::zero, AblationMethod::mean, AblationMethod::resample}) {
    const std::string ending = std::string("_").append(to_string(method));
    check(parsed("0.1,a1.h3,m1"), method, "together" + ending);
    check(parsed("a0.h1,m0,m1.n5,m1.n17,m1.n40"), method, "neurons" + ending);
    check(all_nodes_but(parsed("0.0,0.2,1.1"), engine_.config()), method, "keep" + ending);
  }
}

TEST_P(JointlyAblated, CompletenessIsThatOfTransformers) {
  HeadAblationOptions options;
  options.method = AblationMethod::mean;
  const AblationNodes circuit = parsed("0.2,1.1,m1");
  const auto found =
      circuit_completeness(engine_, prompts({{3}, {7}}), circuit, completeness_subsets(circuit, 0, 0), options);
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  ASSERT_EQ(found->rows.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    const double with = golden("circuit_without")[static_cast<std::int64_t>(i)].item<double>();
    const double against = golden("model_without")[static_cast<std::int64_t>(i)].item<double>();
    EXPECT_NEAR(found->rows[i].circuit_without, with, tolerance) << i;
    EXPECT_NEAR(found->rows[i].model_without, against, tolerance) << i;
    EXPECT_NEAR(found->rows[i].difference(), std::abs(with - against), 2 * tolerance) << i;
  }
}

// ---- One head of a set is what the sweep measures, for every method, phase and length.

class OneNode : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(JointAblation, OneNode, testing::ValuesIn(test::tiny_families()),
                         [](const auto& family) { return family.param; });

std::vector<AblationPrompt> sample_prompts() {
  std::vector<AblationPrompt> out;
  for (const std::int64_t length : {7, 9, 7, 12, 9}) {
    const std::int64_t seed = std::ssize(out);
    out.push_back({test::tiny_tokens(length, seed), {{(5 + seed) % 50}, {(11 + 3 * seed) % 50}}});
  }
  return out;
}

void expect_same_head(const Engine& engine, const HeadAblationOptions& options) {
  const auto prompts = sample_prompts();
  const auto swept = ablate_heads(engine, prompts, options);
  std::vector<AblationNodes> sets;
  for (int layer = 0; layer < 3; ++layer)
    for (std::int64_t head = 0; head < 4; ++head)
      sets.push_back({{AblationNode::Kind::head, layer, head}});
  const auto joint = ablate_together(engine, prompts, sets, options);
  ASSERT_TRUE(swept.ok() && joint.ok());
  EXPECT_EQ(joint->donors, swept->donors);
  EXPECT_EQ(joint->replaced, swept->replaced);
  for (std::size_t prompt = 0; prompt < prompts.size(); ++prompt) {
    EXPECT_NEAR(joint->clean[prompt], swept->clean[prompt], 1e-4);
    for (std::size_t set = 0; set < sets.size(); ++set)
      EXPECT_NEAR(joint->ablated[joint->index(set, prompt)] - joint->clean[prompt],
                  swept->effect(static_cast<std::int64_t>(prompt), sets[set][0].layer, sets[set][0].index), 1e-4)
          << prompt << " " << node_name(sets[set][0]);
  }
}

TEST_P(OneNode, EqualsTheSweepOverHeads) {
  const Engine engine(test::tiny_model(GetParam()));
  for (const auto& method : names_of<AblationMethod>())
    for (const Phase phase : {Phase::both, Phase::prefill, Phase::decode})
      for (const std::int64_t budget : {0, 20}) {
        SCOPED_TRACE(std::string(method.name).append(" ").append(to_string(phase)));
        HeadAblationOptions options;
        options.method = method.value;
        options.phase = phase;
        options.seed = 3;
        options.tokens_per_run = budget;
        expect_same_head(engine, options);
      }
  HeadAblationOptions by_position;
  by_position.method = AblationMethod::mean;
  by_position.mean_by_position = true;
  by_position.phase = Phase::decode;
  expect_same_head(engine, by_position);
}

// ---- Names and sets.

TEST(Nodes, AreRead) {
  const ModelConfig config = test::tiny_config("gpt2");
  EXPECT_THAT(names(nodes("m1.n23,a2.h0,0.3,m0,m0.n4,0.3", config)), ElementsAre("a0.h3", "a2.h0", "m0", "m1.n23"));
  EXPECT_THAT(names(nodes("L1", config)), ElementsAre("a1.h0", "a1.h1", "a1.h2", "a1.h3", "m1"));
  EXPECT_THAT(names(nodes("L2", test::tiny_config("attention_only"))), ElementsAre("a2.h0", "a2.h1", "a2.h2", "a2.h3"));
  for (const char* text : {"", "x", "a1", "a1.3", "1", "m", "m1.", "m1.h2", "L", "L1.2", "1.2,", "a-1.h0", "1.4", "3.0",
                           "m3", "m1.n24", "L3", "m99999999999.n1"}) {
    const auto refused = parse_nodes(text, config);
    ASSERT_FALSE(refused.ok()) << text;
    EXPECT_EQ(refused.error().field, "nodes") << text;
  }
  EXPECT_THAT(parse_nodes("m0", test::tiny_config("attention_only")).error().message, HasSubstr("no MLPs"));
}

TEST(Nodes, HaveAComplement) {
  const ModelConfig config = test::tiny_config("gpt2");
  EXPECT_EQ(all_nodes_but({}, config).size(), 3u * 5);
  EXPECT_TRUE(all_nodes_but(nodes("L0,L1,L2", config), config).empty());
  const AblationNodes rest = all_nodes_but(nodes("L0,L1,2.0,2.1,2.2,m2.n7", config), config);
  EXPECT_EQ(rest.size(), 1u + 23);
  EXPECT_EQ(node_name(rest.front()), "a2.h3");
  EXPECT_EQ(std::count(rest.begin(), rest.end(), AblationNode{AblationNode::Kind::neuron, 2, 7}), 0);
}

TEST(Nodes, SubsetsAreDrawnBySeed) {
  const AblationNodes circuit = nodes("0.1,1.2,m1,m2", test::tiny_config("gpt2"));
  const auto subsets = completeness_subsets(circuit, 6, 5);
  ASSERT_EQ(subsets.size(), 1u + 4 + 6);
  EXPECT_TRUE(subsets[0].empty());
  EXPECT_THAT(names(subsets[3]), ElementsAre("m1"));
  for (std::size_t i = 5; i < subsets.size(); ++i)
    EXPECT_FALSE(subsets[i].empty());
  EXPECT_EQ(subsets, completeness_subsets(circuit, 6, 5));
  EXPECT_NE(subsets, completeness_subsets(circuit, 6, 6));
  EXPECT_EQ(completeness_subsets({}, 6, 5).size(), 1u);
}

TEST(Nodes, WithoutAttentionAreNotUniform) {
  const Engine engine(test::tiny_model("llama"));
  HeadAblationOptions options;
  options.method = AblationMethod::uniform;
  const auto refused = ablate_together(engine, sample_prompts(), {nodes("0.1,m1", engine.config())}, options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().field, "method");
  EXPECT_THAT(refused.error().message, HasSubstr("m1 has none"));
}

} // namespace
} // namespace headscope
