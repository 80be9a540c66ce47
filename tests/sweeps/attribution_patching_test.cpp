// SPDX-License-Identifier: GPL-3.0-or-later
// Estimated patches against exact ones: equal for a small change, and the guard says where they are not.
#include "core/sweeps/attribution_patching.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/engine/tiny_model.h"

namespace headscope {
namespace {

constexpr double float32_of_logits = 4e-6; // of logits of about 1: some 30 units in the last place

PatchPair pair_of(std::int64_t length, std::int64_t seed) {
  PatchPair pair{test::tiny_tokens(length, seed), test::tiny_tokens(length, seed), {{5}, {20}}};
  pair.corrupt[2] = (pair.corrupt[2] + 13) % test::tiny_vocab;
  return pair;
}

// Makes the pair's tokens almost equal for the model, so that only the first order matters.
std::shared_ptr<Model> with_near_tokens(const std::string& family, const PatchPair& pair) {
  auto model = test::tiny_model(family);
  const at::Tensor& w_e = model->weights.w_e;
  const at::Tensor near = w_e[pair.clean[2]] + 2e-3 * at::randn_like(w_e[0]);
  w_e[pair.corrupt[2]].copy_(near);
  return model;
}

class Estimates : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Families, Estimates, testing::ValuesIn(test::tiny_families()),
                         [](const auto& family) { return family.param; });

TEST_P(Estimates, AreExactForASmallChange) {
  const PatchPair pair = pair_of(8, 1);
  const Engine engine(with_near_tokens(GetParam(), pair));
  for (const HookPoint site : {HookPoint::resid_pre, HookPoint::attn_out, HookPoint::q, HookPoint::k, HookPoint::v,
                               HookPoint::z, HookPoint::pattern, HookPoint::attn_scores, HookPoint::result}) {
    for (const PatchAxes axes : {PatchAxes::layer_position, PatchAxes::layer_head, PatchAxes::layer_position_head}) {
      if (hook_axes(site) == HookAxes::pos_d && axes != PatchAxes::layer_position) continue;
      SCOPED_TRACE(std::string(short_name(site)) + " " + to_string(axes));
      PatchingOptions options;
      options.site = site;
      options.axes = axes;
      const auto exact = patch_activations(engine, {pair}, options);
      const auto found = attribute_patches(engine, {pair}, options, {});
      ASSERT_TRUE(exact.ok() && found.ok()) << (found.ok() ? "" : found.error().to_string());
      ASSERT_EQ(found->estimated.restored.size(), exact->restored.size());
      // `restored` is a quotient of two differences of float32 logits, whose rounding errors matter more as the gap
      // shrinks.
      const double rounding = float32_of_logits / std::abs(exact->clean[0] - exact->corrupt[0]);
      ASSERT_LT(rounding, 0.05);
      const double resolution = 2.0 * rounding;
      for (std::size_t i = 0; i < exact->restored.size(); ++i)
        EXPECT_NEAR(found->estimated.restored[i], exact->restored[i],
                    0.01 * std::max(1.0, std::abs(exact->restored[i])) + resolution)
            << i;
      EXPECT_GT(found->checked.size(), 0U);
      for (const CheckedCell& cell : found->checked) {
        if (std::abs(cell.exact) < 10 * resolution) continue;
        EXPECT_TRUE(cell.agrees) << cell.estimated << " " << cell.exact;
      }
    }
  }
}

TEST_P(Estimates, OfLargeChangesAreCheckedAgainstRealPatches) {
  const Engine engine(test::tiny_model(GetParam()));
  const std::vector<PatchPair> pairs = {pair_of(8, 1), pair_of(6, 2), pair_of(8, 3)};
  for (const bool noising : {false, true}) {
    PatchingOptions options;
    options.noising = noising;
    GuardOptions guard;
    guard.strongest = 5;
    guard.random = 7;
    const auto exact = patch_activations(engine, pairs, options);
    const auto found = attribute_patches(engine, pairs, options, guard);
    ASSERT_TRUE(exact.ok() && found.ok()) << (found.ok() ? "" : found.error().to_string());
    ASSERT_EQ(found->checked.size(), 12U);
    std::int64_t disagreements = 0;
    for (const CheckedCell& cell : found->checked) {
      const std::size_t i = exact->index(cell.pair, cell.layer, cell.position, cell.head);
      EXPECT_NEAR(cell.exact, exact->restored[i], 1e-4);
      EXPECT_EQ(cell.estimated, found->estimated.restored[i]);
      const double larger = std::max(std::abs(cell.exact), std::abs(cell.estimated));
      const bool agrees = std::abs(cell.exact - cell.estimated) <= std::max(0.02, 0.25 * larger);
      EXPECT_EQ(cell.agrees, agrees);
      disagreements += agrees ? 0 : 1;
    }
    EXPECT_EQ(found->disagreements(), disagreements);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      EXPECT_NEAR(found->estimated.clean[i], exact->clean[i], 1e-4);
      EXPECT_NEAR(found->estimated.corrupt[i], exact->corrupt[i], 1e-4);
    }
  }
}

// The residual before the first layer holds everything: a gradient cannot foresee what a whole new input does.
TEST(AttributionPatching, TheGuardFindsWhereTheyAreWrong) {
  const Engine engine(test::tiny_model("gpt2"));
  GuardOptions all;
  all.strongest = 1000;
  const auto found = attribute_patches(engine, {pair_of(8, 1)}, {}, all);
  ASSERT_TRUE(found.ok());
  EXPECT_GT(found->disagreements(), 0);
  EXPECT_EQ(found->checked.size(), 3U * 8U);
}

TEST(AttributionPatching, RefuseAMetricWithoutAGradient) {
  PatchingOptions options;
  options.metric = MetricKind::accuracy;
  const auto found = attribute_patches(Engine(test::tiny_model("gpt2")), {pair_of(8, 1)}, options, {});
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().field, "metric");
}

} // namespace
} // namespace headscope
