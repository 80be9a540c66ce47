// SPDX-License-Identifier: GPL-3.0-or-later
// The batched sweep against the plain one, and both against hooks that do the patching themselves.
#include "core/sweeps/patching.h"

#include <cmath>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/tiny_model.h"
#include "tests/prompts/word_tokenizer.h"
#include "tests/sweeps/plain_sweeps.h"

namespace headscope {
namespace {

using testing::HasSubstr;

std::vector<PatchPair> sample_pairs(const std::vector<std::int64_t>& lengths = {8, 6, 8, 11}) {
  std::vector<PatchPair> out;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    const auto seed = static_cast<std::int64_t>(i);
    PatchPair pair{test::tiny_tokens(lengths[i], seed), test::tiny_tokens(lengths[i], seed), {{(5 + seed) % 50}, {20}}};
    pair.corrupt[2] = (pair.corrupt[2] + 13) % 50;
    pair.corrupt[4] = (pair.corrupt[4] + 29) % 50;
    out.push_back(pair);
  }
  return out;
}

PatchingResult must(Result<PatchingResult> result) {
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().to_string());
  return result.ok() ? std::move(result).value() : PatchingResult{};
}

double max_difference(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double most = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i)
    most = std::isnan(a[i]) == std::isnan(b[i]) ? std::max(most, std::isnan(a[i]) ? 0.0 : std::abs(a[i] - b[i]))
                                                : INFINITY;
  return most;
}

std::set<HookPoint> block_points(const ModelConfig& config) {
  std::set<HookPoint> out;
  for (const HookSite& site : hook_sites(config))
    if (is_block_point(site.point)) out.insert(site.point);
  return out;
}

class PatchedFamilies : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Patching, PatchedFamilies, testing::ValuesIn(test::tiny_families()),
                         [](const auto& family) { return family.param; });

TEST_P(PatchedFamilies, BatchedEqualsPlainAtEverySiteAndAxes) {
  const Engine engine(test::tiny_model(GetParam()));
  const auto points = block_points(engine.config());
  EXPECT_GE(points.size(), 13u);
  for (const HookPoint point : points) {
    for (const PatchAxes axes : {PatchAxes::layer_position, PatchAxes::layer_head, PatchAxes::layer_position_head}) {
      if (hook_axes(point) == HookAxes::pos_d && axes != PatchAxes::layer_position) continue;
      SCOPED_TRACE(std::string(short_name(point)) + " " + to_string(axes));
      PatchingOptions options;
      options.site = point;
      options.axes = axes;
      options.tokens_per_run = 300;
      const auto pairs = sample_pairs({8, 6});
      const auto batched = must(patch_activations(engine, pairs, options));
      const auto plain = must(patch_activations_plainly(engine, pairs, options));
      EXPECT_TRUE(batched.complete);
      EXPECT_LT(max_difference(batched.clean, plain.clean), 1e-4);
      EXPECT_LT(max_difference(batched.corrupt, plain.corrupt), 1e-4);
      EXPECT_LT(max_difference(batched.patched, plain.patched), 1e-4);
    }
  }
}

TEST_P(PatchedFamilies, BatchedEqualsPlainForEveryMetricAndBudget) {
  const Engine engine(test::tiny_model(GetParam()));
  for (const MetricKind metric :
       {MetricKind::logit_diff, MetricKind::prob_diff, MetricKind::kl_divergence, MetricKind::js_divergence}) {
    for (const bool noising : {false, true}) {
      for (const std::int64_t budget : {std::int64_t{4096}, std::int64_t{1}}) {
        PatchingOptions options;
        options.site = HookPoint::z;
        options.metric = metric;
        options.noising = noising;
        options.tokens_per_run = budget;
        const auto batched = must(patch_activations(engine, sample_pairs(), options));
        const auto plain = must(patch_activations_plainly(engine, sample_pairs(), options));
        EXPECT_LT(max_difference(batched.patched, plain.patched), 1e-4) << to_string(metric);
        EXPECT_LT(max_difference(batched.clean, plain.clean), 1e-4) << to_string(metric);
      }
    }
  }
}

// ---- Patching done by hooks.

at::Tensor captured(const Engine& engine, const std::vector<std::int64_t>& tokens, HookSite site) {
  at::Tensor out;
  RunRequest request;
  request.batch = TokenBatch::single(tokens);
  request.hooks = {{site, [&](HookSite, at::Tensor x) {
                      out = x.clone();
                      return x;
                    }}};
  EXPECT_TRUE(engine.run(request).ok());
  return out;
}

double logit_difference(const Engine& engine, const std::vector<std::int64_t>& tokens, const Answers& answers,
                        HookSite site, HookFn fn) {
  RunRequest request;
  request.batch = TokenBatch::single(tokens);
  if (fn) request.hooks = {{site, std::move(fn)}};
  const auto run = engine.run(request);
  EXPECT_TRUE(run.ok());
  const at::Tensor last = run->logits[0][run->logits.size(1) - 1];
  return (last[answers.answer[0]] - last[answers.wrong[0]]).item<double>();
}

TEST(Patching, ResidualByPositionIsWhatAHookDoes) {
  const Engine engine(test::tiny_model("llama"));
  const auto pairs = sample_pairs();
  for (const bool noising : {false, true}) {
    PatchingOptions options;
    options.noising = noising;
    const auto result = must(patch_activations(engine, pairs, options));
    EXPECT_EQ(result.axes, PatchAxes::layer_position);
    EXPECT_EQ(result.n_positions, 11);
    EXPECT_EQ(result.n_heads, 1);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const auto pair = static_cast<std::int64_t>(i);
      const auto& from = noising ? pairs[i].corrupt : pairs[i].clean;
      const auto& to = noising ? pairs[i].clean : pairs[i].corrupt;
      const double clean = logit_difference(engine, pairs[i].clean, pairs[i].answers, {}, {});
      const double corrupt = logit_difference(engine, pairs[i].corrupt, pairs[i].answers, {}, {});
      EXPECT_NEAR(result.clean[i], clean, 1e-5);
      EXPECT_NEAR(result.corrupt[i], corrupt, 1e-5);
      for (int layer = 0; layer < 3; ++layer) {
        const HookSite site{HookPoint::resid_pre, layer};
        const at::Tensor source = captured(engine, from, site);
        for (std::int64_t position = 0; position < 11; ++position) {
          const std::size_t at = result.index(pair, layer, position, 0);
          if (position >= static_cast<std::int64_t>(to.size())) {
            EXPECT_TRUE(std::isnan(result.patched[at]) && std::isnan(result.restored[at]));
            continue;
          }
          const double patched = logit_difference(engine, to, pairs[i].answers, site, [&](HookSite, at::Tensor x) {
            at::Tensor changed = x.clone();
            changed[0][position] = source[0][position];
            return changed;
          });
          EXPECT_NEAR(result.patched[at], patched, 1e-4);
          EXPECT_NEAR(result.restored[at], (patched - corrupt) / (clean - corrupt), 1e-3);
        }
      }
    }
  }
}

TEST(Patching, PatternAndKeysByHeadAreWhatAHookDoes) {
  const Engine engine(test::tiny_model("llama"));
  const PatchPair pair = sample_pairs().back();
  for (const HookPoint point : {HookPoint::pattern, HookPoint::k}) {
    PatchingOptions options;
    options.site = point;
    options.axes = PatchAxes::layer_position_head;
    const auto result = must(patch_activations(engine, {pair}, options));
    EXPECT_EQ(result.n_heads, point == HookPoint::k ? 2 : 4);
    for (int layer = 0; layer < 3; ++layer) {
      const at::Tensor source = captured(engine, pair.clean, {point, layer});
      for (std::int64_t position = 0; position < 11; ++position) {
        for (std::int64_t head = 0; head < result.n_heads; ++head) {
          const double patched =
              logit_difference(engine, pair.corrupt, pair.answers, {point, layer}, [&](HookSite, at::Tensor x) {
                at::Tensor changed = x.clone();
                if (point == HookPoint::k)
                  changed[0][position][head] = source[0][position][head];
                else
                  changed[0][head][position] = source[0][head][position];
                return changed;
              });
          EXPECT_NEAR(result.patched[result.index(0, layer, position, head)], patched, 1e-4);
        }
      }
    }
  }
}

TEST(Patching, EverythingPatchedIsCleanAndNothingChangedIsCorrupt) {
  const Engine engine(test::tiny_model("gpt_neox"));
  // Only the last token differs, so its residual restores everything and those before it nothing.
  PatchPair pair{test::tiny_tokens(7, 1), test::tiny_tokens(7, 1), {{3}, {12}}};
  pair.corrupt.back() = (pair.corrupt.back() + 17) % 50;
  const auto result = must(patch_activations(engine, {pair}, {}));
  ASSERT_GT(std::abs(result.clean[0] - result.corrupt[0]), 0.5);
  for (int layer = 0; layer < 3; ++layer) {
    for (std::int64_t position = 0; position < 7; ++position)
      EXPECT_NEAR(result.restored[result.index(0, layer, position, 0)], position == 6 ? 1.0 : 0.0, 1e-4);
  }
}

TEST(Patching, LayersThatWereNotAskedForStayUnmeasured) {
  const Engine engine(test::tiny_model("gpt2"));
  PatchingOptions options;
  options.site = HookPoint::mlp_out;
  options.layers = {2, 0};
  const auto some = must(patch_activations(engine, sample_pairs({8}), options));
  options.layers.clear();
  const auto all = must(patch_activations(engine, sample_pairs({8}), options));
  for (std::int64_t position = 0; position < 8; ++position) {
    EXPECT_TRUE(std::isnan(some.patched[some.index(0, 1, position, 0)]));
    for (const std::int64_t layer : {0, 2})
      EXPECT_NEAR(some.patched[some.index(0, layer, position, 0)], all.patched[all.index(0, layer, position, 0)], 1e-5);
  }
  const auto mean = all.mean_restored();
  EXPECT_EQ(mean.size(), 24u);
  EXPECT_NEAR(mean[9], all.restored[9], 1e-12);
}

TEST(Patching, CancellationKeepsWhatWasMeasured) {
  const Engine engine(test::tiny_model("llama"));
  PatchingOptions options;
  options.tokens_per_run = 30;
  const auto full = must(patch_activations(engine, sample_pairs(), options));
  RunControl control;
  std::set<std::pair<std::int64_t, int>> finished;
  int parts = 0;
  const auto result =
      must(patch_activations(engine, sample_pairs(), options, control, [&](const PatchingPart& part) -> Status {
        for (const std::int64_t pair : part.pairs)
          EXPECT_TRUE(finished.insert({pair, part.layer}).second);
        if (++parts == 4) control.cancel.cancel();
        return {};
      }));
  EXPECT_FALSE(result.complete);
  EXPECT_TRUE(full.complete);
  EXPECT_EQ(parts, 4);
  for (std::int64_t pair = 0; pair < 4; ++pair) {
    for (int layer = 0; layer < 3; ++layer) {
      const std::size_t at = result.index(pair, layer, 3, 0);
      if (finished.contains({pair, layer}))
        EXPECT_EQ(result.restored[at], full.restored[at]);
      else
        EXPECT_TRUE(std::isnan(result.restored[at]));
    }
  }
}

// Two pairs by hand: 4.40 against 4.21, and 8 against 0.
PatchingResult two_pairs() {
  PatchingResult result;
  result.n_pairs = 2;
  result.n_layers = 1;
  result.n_positions = 2;
  result.clean = {4.40, 8.0};
  result.corrupt = {4.21, 0.0};
  result.patched = {5.0, 4.21, 4.0, NAN};
  result.restored = {(5.0 - 4.21) / 0.19, 0.0, 0.5, NAN};
  return result;
}

TEST(PatchingAverage, IsTheRatioOfMeansUnlessTheMeanOfRatiosIsAskedFor) {
  PatchingResult result = two_pairs();
  // (4.5 - 2.105) / (6.2 - 2.105)
  EXPECT_NEAR(result.mean_restored()[0], 2.395 / 4.095, 1e-12);
  EXPECT_NEAR(result.mean_restored()[1], 0.0, 1e-12); // over the one pair that has the position
  result.average = PatchAverage::mean_of_ratios;
  EXPECT_NEAR(result.mean_restored()[0], (0.79 / 0.19 + 0.5) / 2.0, 1e-12);
  EXPECT_NEAR(result.mean_restored()[1], 0.0, 1e-12);
}

TEST(PatchingAverage, NamesPairsThatDifferLittle) {
  EXPECT_EQ(pairs_of_small_difference(two_pairs()), (std::vector<std::int64_t>{0}));
  EXPECT_THAT(small_difference_note(two_pairs()), HasSubstr("1 of 2 pairs"));
  EXPECT_THAT(small_difference_note(two_pairs()), HasSubstr("pair 0: clean 4.4, corrupt 4.21"));
  PatchingResult even = two_pairs();
  even.corrupt[0] = 1.0;
  EXPECT_EQ(small_difference_note(even), "");
}

TEST(PatchingAverage, NamesCellsOfFewPairs) {
  PatchingResult result = two_pairs();
  EXPECT_EQ(result.pairs_of_cell(), (std::vector<std::int64_t>{2, 1}));
  // The second cell divides by 0.19; a tenth of the mean size of the differences is 0.4095.
  EXPECT_EQ(cells_of_small_difference(result), (std::vector<std::size_t>{1}));
  EXPECT_THAT(small_cells_note(result), HasSubstr("1 of 2 cells"));
  EXPECT_THAT(small_cells_note(result),
              HasSubstr("(layer 0, position 1: clean less corrupt is 0.19 on average, 1 of 2"));
  result.average = PatchAverage::mean_of_ratios;
  EXPECT_EQ(small_cells_note(result), "");
  EXPECT_EQ(result.pairs_of_cell(), (std::vector<std::int64_t>{2, 1}));
  // Differences of 1.9 and 2 in both directions: 0.05 on average where both count.
  result = two_pairs();
  result.corrupt = {4.40 + 1.9, 6.0};
  EXPECT_EQ(cells_of_small_difference(result), (std::vector<std::size_t>{0}));
}

TEST(PatchingAverage, NamesPositionsOfSomePairs) {
  EXPECT_EQ(unequal_lengths_note(sample_pairs({5, 5, 6}), PatchAxes::layer_position),
            "pairs have 5 to 6 tokens: position 5 is of 1 of 3 pairs, and positions count from the first token");
  EXPECT_EQ(unequal_lengths_note(sample_pairs({8, 6, 8}), PatchAxes::layer_position_head),
            "pairs have 6 to 8 tokens: positions from 6 on are of some pairs only, position 7 is of 2 of 3 pairs, and "
            "positions count from the first token");
  EXPECT_EQ(unequal_lengths_note(sample_pairs({5, 6}), PatchAxes::layer_head), "");
  EXPECT_EQ(unequal_lengths_note(sample_pairs({6, 6}), PatchAxes::layer_position), "");
}

TEST(PatchingAverage, APairThatIsEqualOnBothPromptsRefusesNothing) {
  const Engine engine(test::tiny_model("gpt2"));
  auto pairs = sample_pairs();
  pairs[1].corrupt = pairs[1].clean;
  for (const MetricKind metric : {MetricKind::logit_diff, MetricKind::answer_rank}) {
    PatchingOptions options;
    options.metric = metric;
    const auto result = must(patch_activations(engine, pairs, options));
    EXPECT_TRUE(std::isnan(result.restored[result.index(1, 0, 0, 0)]));
    EXPECT_TRUE(std::isfinite(result.patched[result.index(1, 0, 0, 0)]));
    // Against the definition, over the pairs that have the position.
    double patched = 0.0, clean = 0.0, corrupt = 0.0;
    for (std::int64_t pair = 0; pair < result.n_pairs; ++pair) {
      patched += result.patched[result.index(pair, 1, 2, 0)];
      clean += result.clean[static_cast<std::size_t>(pair)];
      corrupt += result.corrupt[static_cast<std::size_t>(pair)];
    }
    EXPECT_NEAR(result.mean_restored()[result.index(0, 1, 2, 0)], (patched - corrupt) / (clean - corrupt), 1e-9);
  }
}

TEST(Patching, UnequalLengthsAreShownTokenByToken) {
  auto model = test::tiny_model("llama");
  auto tokenizer = std::make_shared<test::WordTokenizer>();
  PatchPair pair;
  pair.clean = tokenizer->encode("When Mary left", {}).value();
  pair.corrupt = tokenizer->encode("When Mary Ann left", {}).value();
  pair.answers = {{1}, {2}};
  model->tokenizer = tokenizer;
  const auto result = patch_activations(Engine(model), {pair}, {});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::mismatch);
  EXPECT_THAT(result.error().message, HasSubstr("4 tokens and the corrupt prompt 5"));
  EXPECT_THAT(result.error().message, HasSubstr("<s>|When| Mary| left"));
  EXPECT_THAT(result.error().message, HasSubstr("<s>|When| Mary| Ann| left"));
}

TEST(Patching, SaysWhatIsWrong) {
  const Engine engine(test::tiny_model("gpt_neox"));
  const auto error = [&](const std::vector<PatchPair>& pairs, const PatchingOptions& options) {
    const auto result = patch_activations(engine, pairs, options);
    EXPECT_FALSE(result.ok());
    return result.ok() ? Error{} : result.error();
  };
  EXPECT_EQ(error({}, {}).field, "pairs");
  auto same = sample_pairs();
  for (PatchPair& pair : same)
    pair.corrupt = pair.clean;
  EXPECT_EQ(error(same, {}).code, ErrorCode::mismatch);
  EXPECT_THAT(error(same, {}).message, HasSubstr("logit_diff is the same for the clean prompts on average"));
  PatchingOptions options;
  options.average = PatchAverage::mean_of_ratios;
  EXPECT_THAT(error(same, options).message, HasSubstr("logit_diff is the same for the clean prompt of every pair"));
  options = {};
  options.site = HookPoint::resid_mid;
  EXPECT_THAT(error(sample_pairs(), options).message, HasSubstr("resid_mid does not exist in this model"));
  options.site = HookPoint::embed;
  EXPECT_THAT(error(sample_pairs(), options).message, HasSubstr("not a place in a block"));
  options.site = HookPoint::mlp_out;
  options.axes = PatchAxes::layer_head;
  EXPECT_THAT(error(sample_pairs(), options).message, HasSubstr("no head axis"));
  options = {};
  options.layers = {3};
  EXPECT_EQ(error(sample_pairs(), options).field, "layers");
  options = {};
  options.tokens_per_run = -1;
  EXPECT_EQ(error(sample_pairs(), options).field, "tokens_per_run");
}

TEST(Patching, NamesAreParsed) {
  for (const char* name : {"auto", "layer_position", "layer_head", "layer_position_head"})
    EXPECT_STREQ(to_string(parse_name<PatchAxes>(name, "axes").value()), name);
  EXPECT_EQ(parse_name<PatchAxes>("heads", "axes").error().code, ErrorCode::invalid_argument);
}

} // namespace
} // namespace headscope
