// SPDX-License-Identifier: GPL-3.0-or-later
// Eigenvalues, composition and singular vectors of heads against TransformerLens: tests/golden/generate_weights.py.
#include <cmath>
#include <fstream>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/analysis/head_weights.h"
#include "core/model/model_store.h"

namespace headscope {
namespace {

constexpr double tolerance = 1e-6; // TransformerLens folds the weights of norms in float32

nlohmann::json golden(const std::string& name) {
  std::ifstream in(std::string(HEADSCOPE_GOLDEN_DIR) + "/analysis/weights.json");
  return nlohmann::json::parse(in).at(name);
}

std::shared_ptr<const Model> model_of(const std::string& name) {
  at::set_num_threads(1);
  auto model = load_model(std::string(HEADSCOPE_GOLDEN_DIR) + "/models/hooked/" + name, {});
  if (!model.ok()) throw std::runtime_error(model.error().to_string());
  return *model;
}

class HeadWeightsTest : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Golden, HeadWeightsTest, testing::Values("plain", "gated", "grouped", "wide_vocab_out"),
                         [](const auto& name) { return name.param; });

TEST_P(HeadWeightsTest, EigenvaluesAreTransformerLenss) {
  const auto wanted = golden(GetParam());
  const auto found = head_weights(*model_of(GetParam()), {});
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  EXPECT_TRUE(found->complete);
  for (std::int64_t layer = 0; layer < found->n_layers; ++layer)
    for (std::int64_t head = 0; head < found->n_heads; ++head) {
      const auto l = static_cast<std::size_t>(layer), h = static_cast<std::size_t>(head);
      EXPECT_NEAR(found->matching[found->index(layer, head)], wanted.at("matching")[l][h].get<double>(), tolerance);
      const double copying = found->copying[found->index(layer, head)];
      if (wanted.contains("copying"))
        EXPECT_NEAR(copying, wanted.at("copying")[l][h].get<double>(), tolerance);
      else
        EXPECT_TRUE(std::isnan(copying)) << "a model with other logits than tokens copies in no sense";
    }
}

TEST_P(HeadWeightsTest, CompositionIsTransformerLenss) {
  const auto wanted = golden(GetParam());
  const auto found = head_weights(*model_of(GetParam()), {});
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  const std::int64_t heads = found->n_layers * found->n_heads;
  for (const auto& [name, values] :
       {std::pair("q", &found->q_composition), {"k", &found->k_composition}, {"v", &found->v_composition}})
    for (std::int64_t from = 0; from < heads; ++from)
      for (std::int64_t to = 0; to < heads; ++to) {
        const double score = (*values)[found->pair(from, to)];
        if (to / found->n_heads <= from / found->n_heads)
          EXPECT_TRUE(std::isnan(score));
        else
          EXPECT_NEAR(score,
                      wanted.at(name)[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)].get<double>(),
                      tolerance)
              << name << " " << from << " " << to;
      }
}

TEST_P(HeadWeightsTest, SingularVectorsReadAndWriteTheSameTokens) {
  const auto wanted = golden(GetParam()).at("singular");
  const auto model = model_of(GetParam());
  HeadWeightsOptions options;
  options.eigenvalues = options.composition = false;
  options.singular = {{static_cast<int>(model->config.n_layers) - 1, model->config.n_heads - 1}};
  options.directions = 1;
  options.tokens = 2;
  const auto found = head_weights(*model, options);
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  ASSERT_EQ(found->singular.size(), 1U);
  const SingularDirection& first = found->singular[0];
  EXPECT_NEAR(first.value, wanted.at("value").get<double>(), tolerance);
  EXPECT_EQ(first.writes, wanted.at("writes").get<std::vector<std::int64_t>>());
  EXPECT_EQ(first.reads, wanted.at("reads").get<std::vector<std::int64_t>>());
  EXPECT_EQ(first.reads_opposite, wanted.at("reads_opposite").get<std::vector<std::int64_t>>());
  EXPECT_TRUE(found->copying.empty());
}

TEST(HeadWeights, CancelledKeepsWhatIsDone) {
  RunControl control;
  control.progress = [&](const Progress& progress) {
    if (progress.stage == "composition") control.cancel.cancel();
  };
  const auto found = head_weights(*model_of("plain"), {}, control);
  ASSERT_TRUE(found.ok());
  EXPECT_FALSE(found->complete);
  EXPECT_FALSE(std::isnan(found->copying[0]));
  EXPECT_TRUE(std::isnan(found->q_composition.back()));
}

} // namespace
} // namespace headscope
