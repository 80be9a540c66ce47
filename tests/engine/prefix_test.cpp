// SPDX-License-Identifier: GPL-3.0-or-later
// Runs that follow keys and values of earlier positions, and gradients through some layers only, give the same as whole
// runs.
#include <gtest/gtest.h>

#include "core/engine/engine.h"
#include "tests/engine/golden.h"

namespace headscope {
namespace {

constexpr std::int64_t before = 3; // positions of the prefix

class Prefix : public testing::TestWithParam<std::string> {
protected:
  Prefix() : engine_(load_golden(GetParam())) {
    tokens_ = read_golden(GetParam()).at("tokens").narrow(0, 0, 1).repeat({2, 1});
    tokens_.select(0, 1).slice(0, before).fill_(7); // the rows differ behind the prefix
    layers_ = static_cast<int>(engine_.config().n_layers);
    RunRequest request;
    request.batch.tokens = tokens_.narrow(1, 0, before).contiguous();
    request.past = KvPast::append_to(keys_);
    EXPECT_TRUE(engine_.run(request).ok());
  }

  GradientRequest whole() const {
    GradientRequest request;
    request.run.batch.tokens = tokens_;
    request.run.until = LogitRows::last;
    request.metric = [](const at::Tensor& logits) { return (logits.select(1, 1) - logits.select(1, 2)).sum(); };
    for (int layer = 0; layer < layers_; ++layer)
      for (const HookPoint point : {HookPoint::resid_pre, HookPoint::q, HookPoint::k, HookPoint::resid_post})
        request.gradients.push_back({point, layer});
    request.run.capture = request.gradients;
    return request;
  }

  GradientRequest behind() const {
    GradientRequest request = whole();
    request.run.batch.tokens = tokens_.slice(1, before).contiguous();
    request.run.past = KvPast::read(&keys_);
    return request;
  }

  static GradientResult must(Result<GradientResult> result) {
    if (!result.ok()) throw std::runtime_error(result.error().to_string());
    return std::move(result).value();
  }

  Engine engine_;
  at::Tensor tokens_;
  int layers_ = 0;
  KvCache keys_;
};

TEST_P(Prefix, GivesTheValuesAndGradientsOfTheRest) {
  const GradientResult all = must(engine_.run_with_gradients(whole())),
                       rest = must(engine_.run_with_gradients(behind()));
  EXPECT_LT(max_error(rest.logits, all.logits), 2e-5);
  for (const auto& [site, value] : all.cache.all())
    EXPECT_LT(max_error(*rest.cache.get(site), value.slice(1, before)), 2e-5) << hook_name(site);
  double largest = 0.0;
  for (const auto& [site, value] : all.gradients.all()) {
    EXPECT_LT(max_error(*rest.gradients.get(site), value.slice(1, before)), 2e-5) << hook_name(site);
    largest = std::max(largest, value.abs().max().item<double>());
  }
  EXPECT_GT(largest, 1e-3);
  EXPECT_EQ(keys_.length(), before); // only read
}

TEST_P(Prefix, GoesOnFromGradientsAtALayer) {
  const GradientResult all = must(engine_.run_with_gradients(behind()));
  for (int layer = 0; layer + 1 < layers_; ++layer) {
    GradientRequest one = behind();
    one.metric = nullptr;
    one.run.rows = {RowGroup::from_residual(layer, *all.cache.get({HookPoint::resid_pre, layer}))};
    one.run.until = BeforeLayer{layer + 1};
    one.resid_gradient = *all.gradients.get({HookPoint::resid_pre, layer + 1});
    one.gradients = {{HookPoint::resid_pre, layer}, {HookPoint::q, layer}, {HookPoint::k, layer}};
    one.run.capture = {};
    const GradientResult some = must(engine_.run_with_gradients(one));
    for (const auto& [site, value] : some.gradients.all())
      EXPECT_LT(max_error(value, *all.gradients.get(site)), 2e-5) << hook_name(site);
  }
}

TEST_P(Prefix, SaysWhatDoesNotGoTogether) {
  const auto error_of = [&](const auto& change) {
    GradientRequest bad = behind();
    change(bad);
    const auto result = engine_.run_with_gradients(bad);
    return result.ok() ? std::string("none") : result.error().field;
  };
  EXPECT_EQ(error_of([](GradientRequest&) {}), "none");
  EXPECT_EQ(error_of([](GradientRequest& r) { r.run.batch.tokens = r.run.batch.tokens.narrow(0, 0, 1); }), "past");
  EXPECT_EQ(error_of([](GradientRequest& r) { r.run.batch.left_pad = {1, 0}; }), "past");
  EXPECT_EQ(error_of([](GradientRequest& r) { r.metric = nullptr; }), "metric");
  EXPECT_EQ(
      error_of([](GradientRequest& r) { r.run.until = BeforeLayer{1}, r.gradients.clear(), r.run.capture.clear(); }),
      "resid_gradient");
  EXPECT_EQ(error_of([&](GradientRequest& r) {
              r.run.rows = {RowGroup::from_tokens(), RowGroup::copies(1, {0})};
              r.run.past = {};
            }),
            "rows"); // gradients
  KvCache other;
  EXPECT_EQ(error_of([&](GradientRequest& r) { r.run.past = KvPast::append_to(other); }), "past");
  RunRequest later = behind().run;
  later.rows = {RowGroup::from_tokens(), RowGroup::copies(1, {0})};
  EXPECT_EQ(engine_.run(later).error().field, "rows");
}

INSTANTIATE_TEST_SUITE_P(Architectures, Prefix, testing::Values("gpt2", "gpt_neox", "llama", "gemma2", "gemma3", "opt"),
                         [](const auto& test) { return test.param; });

} // namespace
} // namespace headscope
