// SPDX-License-Identifier: GPL-3.0-or-later
// Where the gradient at the clean run vanishes, EAP misses what matters and integrated gradients find it
// (Hanna et al. 2403.17806).
#include <cmath>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "core/circuits/circuit.h"
#include "core/circuits/edge_scores.h"
#include "tests/circuits/golden.h"

namespace headscope {
namespace {

using test::must;

// Makes one layer without norms whose attention writes nothing. The MLP is one ReLU: off on the clean token, on by 2 on
// the corrupt one, where it lowers the answer's logit by 2.
std::shared_ptr<Model> dead_relu_model() {
  auto model = std::make_shared<Model>();
  ModelConfig& config = model->config;
  config.n_layers = config.n_heads = config.n_kv_heads = config.d_head = config.d_mlp = 1;
  config.d_model = 3;
  config.d_vocab = 4;
  config.n_ctx = 8;
  config.norm = NormKind::none;
  config.final_norm = config.gated_mlp = false;
  config.activation = Activation::relu;
  config.positions = PositionKind::none;
  config.attn_scale = 1.0;
  config.layers.resize(1);
  BlockWeights block;
  block.w_qkv = at::zeros({3, 3});
  block.w_o = at::zeros({3, 1});
  block.w_in = at::tensor({1.0F, 0.0F, 0.0F}).view({1, 3});
  block.w_out = at::tensor({0.0F, 1.0F, 0.0F}).view({3, 1});
  model->weights.blocks = {block};
  model->weights.w_e =
      at::tensor({-1.0F, 0.0F, 0.0F, 2.0F, 0.0F, 0.0F, 0.0F, 0.0F, 1.0F, 0.0F, 0.0F, 1.0F}).view({4, 3});
  model->weights.w_u = at::zeros({4, 3});
  model->weights.w_u[2][1] = -1.0;
  return model;
}

class DeadRelu : public testing::Test {
protected:
  Engine engine{dead_relu_model()};
  ComputationalGraph graph{graph_shape(engine.config())};
  CircuitTask task = one_pair();

  static CircuitTask one_pair() {
    CircuitTask task;
    task.pairs = {{{0}, {1}, {{2}, {3}}}};
    return task;
  }

  double of(ScoreMethod method, const char* edge) {
    const GraphScores scores = must(score_edges(engine, graph, task, {method, 5}));
    return scores.edges[static_cast<std::size_t>(must(graph.find_edge(edge)))];
  }
};

TEST_F(DeadRelu, EapSeesNothingAndIntegratedGradientsDo) {
  EXPECT_NEAR(of(ScoreMethod::exact, "input->m0"), -2.0, 1e-6);
  EXPECT_NEAR(of(ScoreMethod::eap, "input->m0"), 0.0, 1e-12);
  // At 2, 1.4, 0.8, 0.2 and -0.4 the ReLU is on four times of five; the input differs by 3.
  EXPECT_NEAR(of(ScoreMethod::eap_ig_inputs, "input->m0"), -2.4, 1e-5);
  EXPECT_NEAR(of(ScoreMethod::clean_corrupted, "input->m0"), -1.5, 1e-6);
  EXPECT_LT(of(ScoreMethod::eap_ig_activations, "input->m0"), -0.1);
  EXPECT_NEAR(of(ScoreMethod::eap, "m0->logits"), -2.0, 1e-6);
}

TEST_F(DeadRelu, SoThatItsCircuitIsEmpty) {
  const BuildOptions two{.edges = 2, .absolute = false};
  const auto circuit = [&](ScoreMethod method) {
    const GraphScores scores = must(score_edges(engine, graph, task, {method, 5}));
    return build_circuit(graph, importance_of(scores.edges, task.metric), two);
  };
  EXPECT_EQ(circuit(ScoreMethod::eap_ig_inputs).edges, circuit(ScoreMethod::exact).edges);
  EXPECT_EQ(circuit(ScoreMethod::exact).size(), 2);
  EXPECT_LT(circuit(ScoreMethod::eap).size(), 2);
}

// A divergence from the clean run has its minimum there.
TEST(KlDivergence, HasNoGradientOnTheCleanRun) {
  test::Golden golden = test::load_golden("gpt2");
  golden.task.metric = MetricKind::kl_divergence;
  const auto largest = [&](ScoreMethod method) {
    double most = 0.0;
    for (const double score : must(score_edges(golden.engine, golden.graph, golden.task, {method, 5})).edges)
      most = std::max(most, std::abs(score));
    return most;
  };
  EXPECT_LT(largest(ScoreMethod::eap), 1e-6);
  EXPECT_GT(largest(ScoreMethod::eap_ig_inputs), 1e-3);
  EXPECT_GT(largest(ScoreMethod::exact), 1e-3);
}

} // namespace
} // namespace headscope
