// SPDX-License-Identifier: GPL-3.0-or-later
// Path patching against the plain forward pass of tests/golden/plain_model.py.
#include "core/circuits/path_patching.h"

#include <gmock/gmock.h>

#include "core/circuits/edge_scores.h"
#include "tests/circuits/golden.h"

namespace headscope {
namespace {

using test::must;

constexpr double tolerance = 1e-4;

class Paths : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Golden, Paths, testing::Values("gpt2", "llama", "gpt_neox", "gpt_neox_serial"),
                         [](const auto& name) { return name.param; });

TEST_P(Paths, DirectAndThroughMlps) {
  test::Golden golden = test::load_golden(GetParam());
  for (const std::int64_t budget : {0, 12}) {
    golden.task.tokens_per_run = budget;
    for (const auto& wanted : golden.data.at("paths")) {
      PathOptions options;
      for (const std::string name : wanted.at("receivers"))
        options.receivers.push_back(must(golden.graph.find_receiver(name)));
      for (const bool through : {false, true}) {
        options.through_mlps = through;
        const PathEffects found = must(patch_paths(golden.engine, golden.graph, golden.task, options));
        EXPECT_TRUE(found.complete);
        const auto& effects = wanted.at(through ? "mlps" : "direct");
        ASSERT_EQ(found.senders.size(), effects.size());
        for (std::size_t i = 0; i < found.senders.size(); ++i) {
          const std::string name = golden.graph.sender_name(found.senders[i]);
          EXPECT_NEAR(found.mean(i), effects.at(name).get<double>(), tolerance) << name << " " << through;
        }
      }
    }
  }
}

// The direct path to one receiver is an edge.
TEST_P(Paths, DirectPathsAreEdges) {
  const test::Golden golden = test::load_golden(GetParam());
  const GraphScores scores = must(score_edges(golden.engine, golden.graph, golden.task, {ScoreMethod::exact, 5}));
  for (int receiver = 0; receiver < static_cast<int>(golden.graph.receivers().size()); ++receiver) {
    PathOptions options;
    options.receivers = {receiver};
    options.through_mlps = false;
    for (int s = 0; s < golden.graph.receivers()[static_cast<std::size_t>(receiver)].reads; ++s)
      options.senders.insert(options.senders.begin(), s); // any order
    const PathEffects found = must(patch_paths(golden.engine, golden.graph, golden.task, options));
    for (std::size_t i = 0; i < found.senders.size(); ++i) {
      const std::int64_t edge = golden.graph.edge({found.senders[i], receiver});
      EXPECT_NEAR(found.mean(i), scores.edges[static_cast<std::size_t>(edge)], 1e-5) << golden.graph.edge_name(edge);
    }
  }
}

TEST(PathErrors, NameWhatIsWrong) {
  const test::Golden golden = test::load_golden("llama");
  EXPECT_EQ(patch_paths(golden.engine, golden.graph, golden.task, {}).error().field, "receivers");
  PathOptions options;
  options.receivers = {must(golden.graph.find_receiver("a0.h0<q>"))};
  options.senders = {must(golden.graph.find_sender("a1.h0"))};
  EXPECT_EQ(patch_paths(golden.engine, golden.graph, golden.task, options).error().field, "a1.h0");
}

} // namespace
} // namespace headscope
