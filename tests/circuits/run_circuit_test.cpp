// SPDX-License-Identifier: GPL-3.0-or-later
// Circuits run, faithfulness, CPR and CMD against the plain forward pass of tests/golden/plain_model.py; ACDC.
#include "core/circuits/run_circuit.h"

#include <gmock/gmock.h>

#include "core/circuits/acdc.h"
#include "core/circuits/edge_scores.h"
#include "core/circuits/faithfulness.h"
#include "tests/circuits/golden.h"
#include "tests/engine/tiny_model.h"

namespace headscope {
namespace {

using test::must;

constexpr double tolerance = 1e-4;

Circuit circuit_of(const ComputationalGraph& graph, const nlohmann::json& names) {
  Circuit circuit = empty_circuit(graph);
  for (const std::string name : names)
    circuit.edges[static_cast<std::size_t>(must(graph.find_edge(name)))] = 1;
  return circuit;
}

class Circuits : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Golden, Circuits, testing::Values("gpt2", "llama", "gpt_neox", "gpt_neox_serial"),
                         [](const auto& name) { return name.param; });

TEST_P(Circuits, RunUnderEveryAblation) {
  test::Golden golden = test::load_golden(GetParam());
  for (const EdgeAblation ablation :
       {EdgeAblation::patch, EdgeAblation::zero, EdgeAblation::mean, EdgeAblation::mean_by_position}) {
    golden.task.ablation = ablation;
    for (const std::int64_t budget : {0, 12}) {
      golden.task.tokens_per_run = budget;
      const CircuitRunner runner = must(CircuitRunner::create(golden.engine, golden.task));
      for (const auto& wanted : golden.data.at("circuits"))
        EXPECT_NEAR(must(runner.metric(circuit_of(golden.graph, wanted.at("edges")))),
                    wanted.at(to_string(ablation)).get<double>(), tolerance)
            << to_string(ablation);
    }
  }
}

TEST_P(Circuits, WholeAndEmptyAreTheTwoRuns) {
  const test::Golden golden = test::load_golden(GetParam());
  const CircuitRunner runner = must(CircuitRunner::create(golden.engine, golden.task));
  EXPECT_NEAR(must(runner.metric(whole_circuit(golden.graph))), golden.data.at("clean").get<double>(), tolerance);
  EXPECT_NEAR(must(runner.metric(empty_circuit(golden.graph))), golden.data.at("corrupt").get<double>(), tolerance);
}

TEST_P(Circuits, FaithfulnessCprAndCmd) {
  const test::Golden golden = test::load_golden(GetParam());
  const CircuitRunner runner = must(CircuitRunner::create(golden.engine, golden.task));
  const auto importance = importance_of(
      test::edge_values(golden.graph, golden.data.at("scores").at("logit_diff eap patch")), MetricKind::logit_diff);
  for (const bool absolute : {false, true}) {
    const auto& wanted = golden.data.at(absolute ? "absolute" : "signed");
    CurveOptions options;
    options.absolute = absolute;
    options.completeness = true;
    const Curve curve = must(faithfulness_curve(runner, importance, options));
    ASSERT_EQ(curve.points.size(), 10U);
    for (std::size_t i = 0; i < 10; ++i) {
      EXPECT_EQ(curve.points[i].edges, wanted.at("edges").at(i).get<std::int64_t>());
      EXPECT_NEAR(curve.points[i].faithfulness, wanted.at("curve").at(i).get<double>(), tolerance);
    }
    EXPECT_NEAR(curve.cpr, wanted.at("cpr").get<double>(), tolerance);
    EXPECT_NEAR(curve.cmd, wanted.at("cmd").get<double>(), tolerance);
    EXPECT_NEAR(curve.points.back().faithfulness, 1.0, tolerance);
    EXPECT_NEAR(curve.points.back().without, 0.0, tolerance); // nothing is outside the whole
  }
}

// Compares two ways to patch one edge: alone in the whole model, and as the only edge outside a circuit.
TEST(CircuitsOf, EveryFamilyAgreeWithExactScores) {
  for (const std::string& family : test::tiny_families()) {
    SCOPED_TRACE(family);
    const Engine engine(test::tiny_model(family));
    CircuitTask task;
    task.pairs = {{test::tiny_tokens(8, 1), test::tiny_tokens(8, 2), {{5}, {20}}},
                  {test::tiny_tokens(6, 3), test::tiny_tokens(6, 4), {{7}, {9}}}};
    const CircuitRunner runner = must(CircuitRunner::create(engine, task));
    const ComputationalGraph& graph = runner.graph();
    const GraphScores scores = must(score_edges(engine, graph, task, {ScoreMethod::exact, 5}));
    const double whole = must(runner.metric(whole_circuit(graph)));
    for (std::int64_t edge = 0; edge < graph.edge_count(); edge += 7) {
      Circuit circuit = whole_circuit(graph);
      circuit.edges[static_cast<std::size_t>(edge)] = 0;
      EXPECT_NEAR(must(runner.metric(circuit)) - whole, scores.edges[static_cast<std::size_t>(edge)], 1e-5)
          << graph.edge_name(edge);
    }
    for (std::size_t sender = 0; sender < graph.senders().size(); ++sender) {
      Circuit circuit = whole_circuit(graph);
      for (const Receiver& receiver : graph.receivers())
        if (static_cast<int>(sender) < receiver.reads)
          circuit.edges[static_cast<std::size_t>(receiver.first_edge) + sender] = 0;
      EXPECT_NEAR(must(runner.metric(circuit)) - whole, scores.nodes[sender], 1e-5)
          << graph.sender_name(static_cast<int>(sender));
    }
    // With everything patched, the run is the corrupt run itself.
    CircuitTask corrupt = task;
    for (PatchPair& pair : corrupt.pairs)
      pair.clean = pair.corrupt;
    EXPECT_NEAR(must(runner.metric(empty_circuit(graph))),
                must(must(CircuitRunner::create(engine, corrupt)).metric(whole_circuit(graph))), 1e-5);
  }
}

TEST(Curves, RefuseWhatMakesNoSense) {
  test::Golden golden = test::load_golden("gpt2");
  CircuitRunner runner = must(CircuitRunner::create(golden.engine, golden.task));
  const std::vector<double> importance(static_cast<std::size_t>(golden.graph.edge_count()), 1.0);
  EXPECT_EQ(faithfulness_curve(runner, {1.0}, {}).error().field, "importance");
  CurveOptions options;
  options.shares = {0.5, 0.2};
  EXPECT_EQ(faithfulness_curve(runner, importance, options).error().field, "shares");
  for (PatchPair& pair : golden.task.pairs)
    pair.corrupt = pair.clean;
  runner = must(CircuitRunner::create(golden.engine, golden.task));
  EXPECT_EQ(faithfulness_curve(runner, importance, {}).error().code, ErrorCode::mismatch);
  EXPECT_EQ(runner.metric(Circuit{}).error().field, "circuit");
}

TEST_P(Circuits, Acdc) {
  test::Golden golden = test::load_golden(GetParam());
  for (const auto& wanted : golden.data.at("acdc")) {
    golden.task.metric = must(parse_name<MetricKind>(wanted.at("metric").get<std::string>(), "metric"));
    const CircuitRunner runner = must(CircuitRunner::create(golden.engine, golden.task));
    const AcdcResult found = must(acdc(runner, wanted.at("threshold").get<double>()));
    EXPECT_TRUE(found.complete);
    EXPECT_EQ(found.runs, wanted.at("runs").get<std::int64_t>());
    EXPECT_EQ(found.circuit.edges, circuit_of(golden.graph, wanted.at("edges")).edges);
    EXPECT_GT(found.circuit.size(), 0);
    EXPECT_LT(found.circuit.size(), golden.graph.edge_count());
    EXPECT_NEAR(found.metric, wanted.at("value").get<double>(), tolerance);
  }
}

TEST(Acdc, SweepRanksEdgesByTheirLastThreshold) {
  const test::Golden golden = test::load_golden("llama");
  const CircuitRunner runner = must(CircuitRunner::create(golden.engine, golden.task));
  const AcdcSweep sweep = must(acdc_sweep(runner, {1e-4, 0.01, 1e3}));
  ASSERT_EQ(sweep.results.size(), 3U);
  EXPECT_TRUE(sweep.complete);
  EXPECT_GT(sweep.results[0].circuit.size(), sweep.results[1].circuit.size());
  EXPECT_EQ(sweep.results[2].circuit.size(), 0); // nothing is worth a thousand logits
  for (std::size_t e = 0; e < sweep.strength.size(); ++e)
    EXPECT_EQ(sweep.strength[e], sweep.results[1].circuit.edges[e]   ? 0.01
                                 : sweep.results[0].circuit.edges[e] ? 1e-4
                                                                     : 0.0);
}

TEST(Acdc, RefusesThresholdsThatAreNone) {
  const test::Golden golden = test::load_golden("llama");
  const CircuitRunner runner = must(CircuitRunner::create(golden.engine, golden.task));
  EXPECT_EQ(acdc_sweep(runner, {}).error().field, "thresholds");
  EXPECT_EQ(acdc_sweep(runner, {0.0}).error().field, "thresholds");
}

} // namespace
} // namespace headscope
