// SPDX-License-Identifier: GPL-3.0-or-later
// Scores of every edge against the plain forward pass of tests/golden/plain_model.py.
#include "core/circuits/edge_scores.h"

#include <gmock/gmock.h>

#include "tests/circuits/golden.h"
#include "tests/engine/tiny_model.h"

namespace headscope {
namespace {

using test::must;

constexpr double tolerance = 1e-4; // float32, the project's promise

const std::vector<std::string>& models() {
  static const std::vector<std::string> names = {"gpt2", "llama", "gpt_neox", "gpt_neox_serial"};
  return names;
}

void expect_scores(const std::vector<double>& got, const std::vector<double>& wanted, const ComputationalGraph& graph) {
  ASSERT_EQ(got.size(), wanted.size());
  double largest = 0.0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NEAR(got[i], wanted[i], tolerance) << graph.edge_name(static_cast<std::int64_t>(i));
    largest = std::max(largest, std::abs(wanted[i]));
  }
  std::printf("[ MEASURED ] largest score %.3g\n", largest);
}

struct Case {
  MetricKind metric;
  ScoreMethod method;
  EdgeAblation ablation;
};

std::string name_of(const Case& c) {
  return std::string(to_string(c.metric)) + " " + to_string(c.method) + " " + to_string(c.ablation);
}

const std::vector<Case>& cases() {
  constexpr auto logit_diff = MetricKind::logit_diff, prob_diff = MetricKind::prob_diff,
                 kl_divergence = MetricKind::kl_divergence;
  using enum ScoreMethod;
  using enum EdgeAblation;
  static const std::vector<Case> all = {
      {logit_diff, eap, patch},
      {logit_diff, eap_ig_inputs, patch},
      {logit_diff, eap_ig_activations, patch},
      {logit_diff, exact, patch},
      {logit_diff, clean_corrupted, patch},
      {logit_diff, eap, zero},
      {logit_diff, exact, zero},
      {logit_diff, eap, mean},
      {logit_diff, exact, mean},
      {prob_diff, eap, patch},
      {logit_diff, eap, mean_by_position},
      {logit_diff, exact, mean_by_position},
      {kl_divergence, eap, patch},
      {kl_divergence, exact, patch},
      {kl_divergence, eap_ig_inputs, patch},
  };
  return all;
}

class EdgeScores : public testing::TestWithParam<std::tuple<std::string, std::size_t>> {};
INSTANTIATE_TEST_SUITE_P(Golden, EdgeScores,
                         testing::Combine(testing::ValuesIn(models()), testing::Range(std::size_t{0}, cases().size())),
                         [](const auto& param) {
                           std::string name =
                               std::get<0>(param.param) + "_" + name_of(cases()[std::get<1>(param.param)]);
                           std::replace(name.begin(), name.end(), ' ', '_');
                           return name;
                         });

TEST_P(EdgeScores, OfEveryEdgeEqualThePlainForwardPass) {
  const auto& [model, index] = GetParam();
  const Case& c = cases()[index];
  test::Golden golden = test::load_golden(model);
  golden.task.metric = c.metric;
  golden.task.ablation = c.ablation;
  const GraphScores scores = must(score_edges(golden.engine, golden.graph, golden.task, {c.method, 5}));
  EXPECT_TRUE(scores.complete);
  expect_scores(scores.edges, test::edge_values(golden.graph, golden.data.at("scores").at(name_of(c))), golden.graph);
}

class OfModels : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Golden, OfModels, testing::ValuesIn(models()), [](const auto& name) { return name.param; });

TEST_P(OfModels, ExactNodes) {
  const test::Golden golden = test::load_golden(GetParam());
  const GraphScores scores = must(score_edges(golden.engine, golden.graph, golden.task, {ScoreMethod::exact, 5}));
  for (const auto& [name, value] : golden.data.at("exact_nodes").items())
    EXPECT_NEAR(scores.nodes[static_cast<std::size_t>(must(golden.graph.find_sender(name)))], value.get<double>(),
                tolerance)
        << name;
  double clean = 0.0;
  for (const double value : scores.clean)
    clean += value / static_cast<double>(scores.clean.size());
  EXPECT_NEAR(clean, golden.data.at("clean").get<double>(), tolerance);
}

// Scores do not depend on how many prompts share a run.
TEST_P(OfModels, ChunksMakeNoDifference) {
  test::Golden golden = test::load_golden(GetParam());
  for (const ScoreMethod method : {ScoreMethod::exact, ScoreMethod::eap_ig_inputs}) {
    golden.task.tokens_per_run = 0;
    const GraphScores together = must(score_edges(golden.engine, golden.graph, golden.task, {method, 5}));
    golden.task.tokens_per_run = 12;
    const GraphScores apart = must(score_edges(golden.engine, golden.graph, golden.task, {method, 5}));
    for (std::size_t i = 0; i < together.edges.size(); ++i)
      EXPECT_NEAR(together.edges[i], apart.edges[i], 1e-5);
  }
}

// Scores do not depend on which activations are kept for the backward pass.
TEST_P(OfModels, RecomputationMakesNoDifference) {
  const test::Golden golden = test::load_golden(GetParam());
  for (const ScoreMethod method : {ScoreMethod::eap_ig_inputs, ScoreMethod::eap_ig_activations}) {
    const GraphScores kept = must(score_edges(golden.engine, golden.graph, golden.task, {method, 5}));
    const GraphScores again = must(score_edges(golden.engine, golden.graph, golden.task, {method, 5, 0}));
    for (std::size_t i = 0; i < kept.edges.size(); ++i)
      EXPECT_NEAR(kept.edges[i], again.edges[i], 1e-5);
  }
}

// The scores of a sender's edges add up to the derivative of the metric by its output, computed for every architecture
// from gradients at other places than the edges'.
TEST(EdgeScoresOf, EveryFamilyAddUpToTheirSenders) {
  for (const std::string& family : test::tiny_families()) {
    SCOPED_TRACE(family);
    const Engine engine(test::tiny_model(family));
    const ComputationalGraph graph(graph_shape(engine.config()));
    CircuitTask task;
    task.pairs = {{test::tiny_tokens(8, 1), test::tiny_tokens(8, 2), {{5}, {20}}}};
    const GraphScores eap = must(score_edges(engine, graph, task, {ScoreMethod::eap, 5}));
    std::vector<HookSite> sites = {{HookPoint::resid_pre, 0}};
    for (int layer = 0; layer < 3; ++layer) {
      sites.push_back({HookPoint::attn_out, layer});
      if (graph.shape().mlp) sites.push_back({HookPoint::mlp_out, layer});
    }
    GradientRequest request;
    request.run.batch = TokenBatch::single(task.pairs[0].clean);
    request.run.until = LogitRows::last;
    request.run.capture = request.gradients = sites;
    request.metric = [](const at::Tensor& logits) { return logits[0][5] - logits[0][20]; };
    const GradientResult clean = must(engine.run_with_gradients(request));
    request.run.batch = TokenBatch::single(task.pairs[0].corrupt);
    const RunResult corrupt = must(engine.run(request.run));
    std::size_t sender = 0;
    for (const HookSite& site : sites) {
      const at::Tensor difference = must(corrupt.cache.get(site)) - must(clean.cache.get(site));
      const double wanted = (difference * must(clean.gradients.get(site))).sum().item<double>();
      double got = 0.0;
      const std::size_t count = site.point == HookPoint::attn_out ? 4 : 1;
      for (std::size_t i = 0; i < count; ++i)
        got += eap.nodes[sender++];
      EXPECT_NEAR(got, wanted, tolerance) << hook_name(site);
      EXPECT_GT(std::abs(wanted), 10 * tolerance);
    }
    EXPECT_EQ(sender, eap.nodes.size());
  }
}

TEST(EdgeScoresErrors, NameWhatIsWrong) {
  test::Golden golden = test::load_golden("llama");
  const auto error = [&](const ScoreOptions& options) {
    const auto result = score_edges(golden.engine, golden.graph, golden.task, options);
    EXPECT_FALSE(result.ok());
    return result.ok() ? Error{} : result.error();
  };
  golden.task.metric = MetricKind::accuracy;
  EXPECT_EQ(error({ScoreMethod::eap, 5}).field, "metric");
  golden.task.metric = MetricKind::logit_diff;
  EXPECT_EQ(error({ScoreMethod::eap_ig_inputs, 0}).field, "steps");
  golden.task.ablation = EdgeAblation::zero;
  EXPECT_EQ(error({ScoreMethod::eap_ig_inputs, 5}).field, "ablation");
  golden.task.ablation = EdgeAblation::mean_by_position;
  golden.task.reference = {{1, 2, 3}};
  EXPECT_EQ(error({ScoreMethod::eap, 5}).field, "reference");
  golden.task.ablation = EdgeAblation::patch;
  golden.task.pairs[1].corrupt.pop_back();
  EXPECT_EQ(error({ScoreMethod::eap, 5}).code, ErrorCode::mismatch);
  golden.task.pairs.clear();
  EXPECT_EQ(error({ScoreMethod::eap, 5}).field, "pairs");
}

TEST(EdgeScoresErrors, ACancelledSweepKeepsWhatItMeasured) {
  test::Golden golden = test::load_golden("gpt2");
  RunControl context;
  context.progress = [&](const Progress& progress) {
    if (progress.stage == "patching edges") context.cancel.cancel();
  };
  const GraphScores scores =
      must(score_edges(golden.engine, golden.graph, golden.task, {ScoreMethod::exact, 5}, context));
  EXPECT_FALSE(scores.complete);
  EXPECT_TRUE(std::isfinite(scores.edges.front()));
  EXPECT_TRUE(std::isnan(scores.edges.back()));
}

} // namespace
} // namespace headscope
