// SPDX-License-Identifier: GPL-3.0-or-later
// What heads could be replaced by, on patterns whose answer is known.
#include <gmock/gmock.h>

#include "core/mechanisms/traits.h"
#include "tests/engine/tiny_model.h"
#include "tests/mechanisms/heads.h"

namespace headscope::mechanisms {
namespace {

constexpr std::int64_t tokens = 64;

at::Tensor normalised(const at::Tensor& weights) {
  const at::Tensor causal = weights.tril();
  return (causal / causal.sum(-1, true)).to(at::kFloat).unsqueeze(0);
}

at::Tensor decaying(double gamma) {
  const at::Tensor i = at::arange(tokens, at::kDouble);
  return normalised(at::pow(gamma, (i.unsqueeze(1) - i.unsqueeze(0)).clamp_min(0)));
}

at::Tensor looking_back(std::int64_t by) {
  const at::Tensor i = at::arange(tokens, at::kLong);
  return normalised((i.unsqueeze(0) == (i - by).clamp_min(0).unsqueeze(1)).to(at::kDouble));
}

TEST(Traits, StateIsTheRankOfLaterQueriesAndEarlierKeys) {
  EXPECT_EQ(state_rank(looking_back(1), 1e-2).item<double>(), 1.0); // a previous-token head carries one token
  EXPECT_EQ(state_rank(looking_back(5), 1e-2).item<double>(), 5.0); // one five back five
  EXPECT_EQ(state_rank(looking_back(0), 1e-2).item<double>(), 0.0); // its own token none
  EXPECT_EQ(state_rank(decaying(0.9), 1e-2).item<double>(), 1.0);
  EXPECT_EQ(state_rank(decaying(1.0), 1e-2).item<double>(), 1.0); // running mean
  at::manual_seed(3);
  EXPECT_GT(state_rank(normalised(at::rand({tokens, tokens}, at::kDouble)), 1e-2).item<double>(), 20.0);
}

TEST(Traits, DecayIsFound) {
  for (const double gamma : {0.3, 0.8, 0.97}) {
    const Decay found = fit_decay(decaying(gamma).narrow(1, tokens - 1, 1)); // one row: no two normalisers
    EXPECT_NEAR(found.gamma.item<double>(), gamma, 1e-3);
    EXPECT_GT(found.r2.item<double>(), 0.99999);
  }
  EXPECT_LT(fit_decay(looking_back(9)).r2.item<double>(), 0.2); // nothing decays from the query on
}

TEST(Traits, KeysThatHoldTheWeight) {
  EXPECT_EQ(keys_holding(looking_back(3), 0.95).item<double>(), 1.0);
  const at::Tensor last = decaying(1.0).narrow(1, tokens - 1, 1); // 64 equal weights
  EXPECT_EQ(keys_holding(last, 0.5).item<double>(), 32.0);
  EXPECT_EQ(keys_holding(last, 1.0).item<double>(), 64.0);
}

TEST(Traits, OfAModelsHeads) {
  const Engine engine(test::tiny_model("llama"));
  const std::vector<std::int64_t> text = test::tiny_tokens(40, 1);
  TraitOptions options;
  options.skip = 4;
  const auto found = measure_traits(engine, text, options, {});
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  const auto heads = static_cast<std::size_t>(engine.config().n_layers * engine.config().n_heads);
  for (const auto* each : {&found->state_rank, &found->decay, &found->query_r2, &found->score_rank, &found->keys}) {
    EXPECT_EQ(each->size(), heads);
    EXPECT_THAT(*each, testing::Each(testing::Truly([](double x) { return std::isfinite(x); })));
  }
  EXPECT_EQ(found->surprise.size(), heads * 40);
  EXPECT_THAT(found->score_rank, testing::Each(testing::Le(static_cast<double>(engine.config().d_head))));
  EXPECT_THAT(found->query_r2, testing::Each(testing::Le(1.0 + 1e-6)));
  options.skip = 39;
  EXPECT_EQ(measure_traits(engine, text, options, {}).error().field, "skip");
}

// With a step of ½ keys of length 1 that are orthogonal are stored exactly: no surprise the second time, and all is
// recalled.
TEST(Traits, WhatWasLearnedDoesNotSurprise) {
  Text text;
  at::manual_seed(3);
  text.k = 3.0 * at::eye(8, at::kFloat).unsqueeze(0).repeat({1, 2, 1});
  text.v = at::randn({1, 8, 5}).repeat({1, 2, 1});
  const Learned exact = learn(text, 0.5), half = learn(text, 0.25);
  const at::Tensor size = 2.0 * text.v[0].norm(2, {-1});
  EXPECT_LT(largest_difference(exact.surprise[0].narrow(0, 0, 8), size.narrow(0, 0, 8)), 1e-5);
  EXPECT_LT(exact.surprise[0].narrow(0, 8, 8).max().item<double>(), 1e-5);
  EXPECT_LT(largest_difference(half.surprise[0].narrow(0, 8, 8), 0.5 * size.narrow(0, 0, 8)), 1e-5);
  EXPECT_GT(exact.recall.min().item<double>(), 1.0 - 1e-5);
}

} // namespace
} // namespace headscope::mechanisms
