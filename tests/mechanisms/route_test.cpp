// SPDX-License-Identifier: GPL-3.0-or-later
// Routes: what a head costs alone is what a run of that plan says, and the plan that is chosen keeps to its budget. And
// CAB's figures on synthetic costs.
#include <gmock/gmock.h>

#include "core/mechanisms/comparison.h"
#include "core/mechanisms/route.h"
#include "core/mechanisms/summary.h"
#include "tests/engine/tiny_model.h"
#include "tests/mechanisms/heads.h"

namespace headscope::mechanisms {
namespace {

using test::tiny_model;
using test::tiny_tokens;

double kl_of(const Engine& engine, const std::vector<std::int64_t>& tokens, const std::string& plan,
             std::int64_t skip) {
  const auto full = run_text(engine, tokens, nullptr, {}),
             own = run_text(engine, tokens, plan_of(plan, engine.config()).get(), {});
  return compare_predictions(engine, tokens, *full, *own, skip, {})->kl;
}

RouteTask task_of(double budget) {
  RouteTask task;
  task.tokens = tiny_tokens(40, 1);
  task.held_out = tiny_tokens(40, 2);
  task.candidates = {"window:window=2", "streaming:sinks=2,window=9"};
  task.budget = budget;
  task.skip = 4;
  return task;
}

TEST(Routes, MeasureEachHeadAlone) {
  const Engine engine(tiny_model("llama"));
  const RouteTask task = task_of(1.0);
  const auto route = find_route(engine, task, {});
  ASSERT_TRUE(route.ok()) << route.error().to_string();
  const std::int64_t heads = engine.config().n_heads;
  for (std::size_t c = 0; c < 2; ++c)
    for (std::size_t i = 0; i < route->candidates[c].kl.size(); ++i) {
      const std::string where = std::to_string(static_cast<std::int64_t>(i) / heads) + "." +
                                std::to_string(static_cast<std::int64_t>(i) % heads);
      EXPECT_NEAR(route->candidates[c].kl[i], kl_of(engine, task.tokens, task.candidates[c] + "@heads=" + where, 4),
                  1e-5)
          << where;
    }
  // Queries 4 to 39 see 5 to 40 keys, of which a window keeps 2, and 2 sinks with a window of 9 at most 11.
  double full = 0.0, streaming = 0.0;
  for (int i = 4; i < 40; ++i)
    full += i + 1, streaming += std::min(i + 1, 11);
  EXPECT_NEAR(route->candidates[0].keys[0], 2.0 * 36.0 / full, 1e-9);
  EXPECT_NEAR(route->candidates[1].keys[0], streaming / full, 1e-9);
}

TEST(Routes, KeepToTheirBudget) {
  const Engine engine(tiny_model("llama"));
  const RouteTask all = task_of(1e9);
  const auto everything = find_route(engine, all, {});
  ASSERT_TRUE(everything.ok());
  EXPECT_THAT(everything->choice, testing::Each(0)); // the cheapest, whatever it costs
  const double most = everything->chosen.kl;
  EXPECT_NEAR(most, kl_of(engine, all.tokens, "window:window=2", 4), 1e-5);
  const auto half = find_route(engine, task_of(most / 4.0), {});
  ASSERT_TRUE(half.ok());
  EXPECT_LE(half->chosen.kl, most / 4.0);
  EXPECT_GT(half->chosen.kl, 0.0);
  EXPECT_LT(half->chosen.keys, 1.0);
  EXPECT_NEAR(half->chosen.kl, kl_of(engine, all.tokens, half->plan, 4), 1e-5);
  EXPECT_NEAR(half->chosen.held_out_kl, kl_of(engine, all.held_out, half->plan, 4), 1e-5);
  const auto none = find_route(engine, task_of(0.0), {});
  EXPECT_EQ(none->plan, "full");
  EXPECT_THAT(none->choice, testing::Each(-1));
}

TEST(Routes, RefuseWhatIsNoCandidate) {
  const Engine engine(tiny_model("llama"));
  RouteTask task = task_of(1.0);
  for (const char* spec : {"full", "window@layers=0", "window;topk", "moh:top=1"}) {
    task.candidates = {spec};
    EXPECT_EQ(find_route(engine, task, {}).error().field, "candidates") << spec;
  }
}

// Head 0: the cheap candidate costs .1 for .8 of the keys; head 1: .5, and the dearer candidate .01 for .4.
TEST(Routes, OrderChangesByPrice) {
  const std::vector<CandidateCost> costs = {{{0.1, 0.5}, {0.2, 0.2}}, {{0.09, 0.01}, {0.6, 0.6}}};
  const std::vector<RouteChange> changes = ordered_changes(costs);
  ASSERT_EQ(changes.size(), 3U);
  EXPECT_EQ(changes[0].head, 1U); // .01 / .4
  EXPECT_EQ(changes[0].to, 1);
  EXPECT_EQ(changes[1].head, 0U); // .1 / .8, below .09 / .4
  EXPECT_EQ(changes[1].to, 0);
  EXPECT_EQ(changes[2].head, 1U); // .49 / .4
  EXPECT_EQ(changes[2].to, 0);
}

TEST(Summary, RecoversTheLengthWhereCostsCross) {
  const std::vector<std::int64_t> tokens = {256, 512, 1024, 2048, 4096};
  std::vector<double> full, own;
  for (const std::int64_t n : tokens) {
    const auto x = static_cast<double>(n);
    full.push_back(2e-6 * x * x + 1e-3 * x + 0.5);
    own.push_back(6e-3 * x + 0.7);
  }
  const double b = 1e-3 - 6e-3, expected = (-b + std::sqrt(b * b + 4.0 * 2e-6 * 0.2)) / (2.0 * 2e-6);
  EXPECT_NEAR(*efficiency_length(tokens, full, own), expected, 1e-3);
  EXPECT_FALSE(efficiency_length({256, 512}, {1.0, 4.0}, {1.0, 2.0}));
  EXPECT_FALSE(efficiency_length(tokens, own, own)); // nothing quadratic
}

TEST(Summary, IndexIsTheMeanOfStandardScores) {
  const std::vector<double> index = compositional_index({{{1.0, 2.0, 3.0}, true}, {{10.0, 10.0, 40.0}, false}});
  const double first = std::sqrt(1.5), low = -1.0 / std::sqrt(2.0), high = std::sqrt(2.0);
  EXPECT_NEAR(index[0], (first + low) / 2.0, 1e-12);
  EXPECT_NEAR(index[1], low / 2.0, 1e-12);
  EXPECT_NEAR(index[2], (-first + high) / 2.0, 1e-12);
  EXPECT_TRUE(compositional_index({{{1.0}, true}}).empty());
}

} // namespace
} // namespace headscope::mechanisms
