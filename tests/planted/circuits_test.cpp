// SPDX-License-Identifier: GPL-3.0-or-later
// Every method of circuit discovery finds the edges of planted circuits and no others, wherever they are; EAP misses
// those behind a saturated softmax, integrated gradients do not.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include "core/circuits/acdc.h"
#include "core/circuits/edge_scores.h"
#include "tests/planted/planted_circuit.h"

namespace headscope::test {
namespace {

using Names = std::set<std::string>;

template <typename T> T expect_value(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().to_string());
  return std::move(result).value();
}

constexpr ScoreMethod all_methods[] = {ScoreMethod::exact, ScoreMethod::eap, ScoreMethod::eap_ig_inputs,
                                       ScoreMethod::eap_ig_activations, ScoreMethod::clean_corrupted};

// A planted circuit and what circuit discovery finds in its model.
class Found {
public:
  explicit Found(const PlantedCircuit& plant) : engine_(plant.model), graph_(graph_shape(engine_.config())) {
    at::set_num_threads(1);
    task_.pairs = plant.pairs;
    for (const std::string& edge : plant.edges)
      planted_.insert(graph_.edge_name(number(edge)));
  }

  const Names& planted() const { return planted_; }

  double clean() const { return metric(whole_circuit(graph_)); }
  double without() const { return metric(empty_circuit(graph_)); }
  double of_the_planted() const {
    Circuit circuit = empty_circuit(graph_);
    for (const std::string& edge : planted_)
      circuit.edges[static_cast<std::size_t>(number(edge))] = 1;
    return metric(circuit);
  }

  double score(ScoreMethod method, const std::string& edge, std::int64_t steps = 5) const {
    return scores(method, steps)[static_cast<std::size_t>(number(edge))];
  }
  // The strongest edges, as many as are planted.
  Names strongest(ScoreMethod method, std::int64_t steps = 5) const {
    return names(build_circuit(graph_, importance_of(scores(method, steps), task_.metric),
                               {.edges = static_cast<std::int64_t>(planted_.size()), .prune = false}));
  }
  Names by_acdc(double threshold) const {
    return names(expect_value(acdc(expect_value(CircuitRunner::create(engine_, task_)), threshold)).circuit);
  }

private:
  // The scores, measured once.
  const std::vector<double>& scores(ScoreMethod method, std::int64_t steps) const {
    std::vector<double>& known = scores_[{method, steps}];
    if (known.empty()) known = expect_value(score_edges(engine_, graph_, task_, {method, steps})).edges;
    return known;
  }
  std::int64_t number(const std::string& edge) const { return expect_value(graph_.find_edge(edge)); }
  double metric(const Circuit& circuit) const {
    return expect_value(expect_value(CircuitRunner::create(engine_, task_)).metric(circuit));
  }
  Names names(const Circuit& circuit) const {
    Names out;
    for (std::size_t e = 0; e < circuit.edges.size(); ++e)
      if (circuit.edges[e]) out.insert(graph_.edge_name(static_cast<std::int64_t>(e)));
    return out;
  }

  Engine engine_;
  ComputationalGraph graph_;
  CircuitTask task_;
  Names planted_;
  mutable std::map<std::pair<ScoreMethod, std::int64_t>, std::vector<double>> scores_;
};

struct Layout {
  int layers, heads, kv_heads;
};
constexpr Layout layouts[] = {{3, 2, 2}, {3, 4, 1}, {4, 4, 2}, {4, 3, 3}, {5, 4, 4}, {6, 2, 1}};

class PlantedCircuits : public testing::TestWithParam<int> {
protected:
  static PlantedShape shape(double sharpness, int layers = 0) {
    const Layout& layout = layouts[static_cast<std::size_t>(GetParam()) % std::size(layouts)];
    return {static_cast<std::uint64_t>(GetParam()), layers > 0 ? layers : layout.layers, layout.heads, layout.kv_heads,
            sharpness};
  }

  static void every_method_finds(const Found& found) {
    // Otherwise the planted circuit does not work.
    EXPECT_GT(found.clean(), 2.0);
    EXPECT_LT(std::abs(found.without()), 0.2 * found.clean());
    EXPECT_NEAR(found.of_the_planted(), found.clean(), 0.15 * found.clean());
    for (const ScoreMethod method : all_methods)
      EXPECT_EQ(found.strongest(method), found.planted()) << to_string(method);
    EXPECT_EQ(found.by_acdc(0.15 * found.clean()), found.planted());
  }
};

TEST_P(PlantedCircuits, EveryMethodFindsInduction) { every_method_finds(Found(plant_induction(shape(1.0)))); }

TEST_P(PlantedCircuits, EveryMethodFindsInductionInTwoLayers) {
  every_method_finds(Found(plant_induction(shape(1.0, 2))));
}

TEST_P(PlantedCircuits, EveryMethodFindsIndirectObjects) { every_method_finds(Found(plant_ioi(shape(1.0)))); }

// The scores of heads differ so much that the softmax is saturated on the clean run: patching such an edge changes
// much, but its gradient vanishes. Gradients at the corrupt run do not help, since it is as saturated there.
void eap_misses_and_integrated_gradients_find(const PlantedCircuit& plant, std::size_t compared) {
  constexpr std::int64_t steps = 20; // of fewer, all may lie beside the place where the attention turns
  const Found found(plant);
  for (std::size_t i = 0; i < compared; ++i) {
    const std::string& edge = plant.edges[i];
    const double exact = found.score(ScoreMethod::exact, edge), eap = found.score(ScoreMethod::eap, edge);
    EXPECT_LT(exact, -0.5 * found.clean()) << edge;
    EXPECT_LT(std::abs(eap), 0.05 * std::abs(exact)) << edge;
    EXPECT_LT(found.score(ScoreMethod::eap_ig_inputs, edge, steps), -2.0 * std::abs(eap)) << edge;
  }
  EXPECT_NE(found.strongest(ScoreMethod::eap), found.planted());
  EXPECT_EQ(found.strongest(ScoreMethod::exact), found.planted());
  EXPECT_EQ(found.strongest(ScoreMethod::eap_ig_inputs, steps), found.planted());
  EXPECT_EQ(found.by_acdc(0.15 * found.clean()), found.planted());
}

// Misses all but the edge that carries the answer and the one that writes it.
TEST_P(PlantedCircuits, EapMissesSaturatedInductionAndIntegratedGradientsDoNot) {
  eap_misses_and_integrated_gradients_find(plant_induction(shape(6.0)), 3);
}

TEST_P(PlantedCircuits, EapMissesSaturatedIndirectObjectsAndIntegratedGradientsDoNot) {
  eap_misses_and_integrated_gradients_find(plant_ioi(shape(2.0)), 6);
}

INSTANTIATE_TEST_SUITE_P(Layouts, PlantedCircuits, testing::Range(0, 6));

} // namespace
} // namespace headscope::test
