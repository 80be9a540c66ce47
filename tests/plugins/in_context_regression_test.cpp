// SPDX-License-Identifier: GPL-3.0-or-later
// The pattern of in-context linear regression in a transformer trained on it (tests/golden/train_icl_regression.py).
#include <cmath>
#include <fstream>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "plugins/detectors/builtin.h"

namespace headscope {
namespace {

using nlohmann::json;

class IclRegression : public testing::Test {
protected:
  static Engine load(const std::string& name) {
    auto model = load_model(std::string(HEADSCOPE_GOLDEN_DIR) + "/models/" + name, {});
    if (!model.ok()) throw std::runtime_error(model.error().to_string());
    return Engine(*model);
  }
  static json golden() {
    std::ifstream in(HEADSCOPE_GOLDEN_DIR "/detectors/icl_regression.json");
    return json::parse(in);
  }
  static double finding(const DetectorResult& result, const char* name) {
    return std::get<double>(*store::find_attribute(result.findings, name));
  }
  const std::unique_ptr<Detector> detector_ = make_in_context_regression_detector();
};

TEST_F(IclRegression, TheTrainedToyHasThePublishedPattern) {
  const Engine engine = load("icl_regression");
  ASSERT_TRUE(detector_->check(engine).ok());
  const OptionSet options(detector_->options());
  const auto result = detector_->run({engine, options, {}, {}});
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  const json expected = golden();
  for (const ScoreMap& map : result->maps)
    for (std::size_t head = 0; head < 2; ++head)
      EXPECT_NEAR(map.values[head], expected.at(map.name)[head].get<double>(), 1e-4) << map.name << " " << head;
  EXPECT_NEAR(finding(*result, "omega_spread"), expected.at("omega_spread").get<double>(), 1e-4);
  EXPECT_NEAR(finding(*result, "mu_balance"), expected.at("mu_balance").get<double>(), 1e-4);
  // Data are drawn differently from the reference: the standard error of a mean square over 1,024 rows is about 0.012.
  EXPECT_NEAR(finding(*result, "validation_mse"), expected.at("validation_mse").get<double>(), 0.05);
  // The published result: every head is diagonal and copies y, |omega| is one value, and the mu cancel.
  EXPECT_EQ(result->heads.size(), 2U);
  for (const float score : result->scores)
    EXPECT_GT(score, 0.8F);
  EXPECT_LT(finding(*result, "omega_spread"), 0.15);
  EXPECT_LT(finding(*result, "mu_balance"), 0.15);
  EXPECT_LT(finding(*result, "validation_mse"), 0.3);
  EXPECT_GT(finding(*result, "variance_of_y"), 0.9);
}

// The engine predicts what the training script did.
TEST_F(IclRegression, TheEngineRunsOnRealNumbers) {
  const Engine engine = load("icl_regression");
  const json expected = golden();
  const auto rows = expected.at("examples").get<std::vector<std::vector<std::vector<float>>>>();
  for (std::size_t row = 0; row < rows.size(); ++row) {
    std::vector<float> flat;
    for (const auto& example : rows[row])
      flat.insert(flat.end(), example.begin(), example.end());
    RunRequest request;
    request.batch.tokens = at::zeros({1, static_cast<std::int64_t>(rows[row].size())}, at::kLong);
    request.until = LogitRows::last;
    Intervention set;
    set.site = {HookPoint::embed, -1};
    set.kind = InterventionKind::set;
    set.value = at::tensor(flat).view({static_cast<std::int64_t>(rows[row].size()), -1});
    request.interventions = {set};
    const auto run = engine.run(request);
    ASSERT_TRUE(run.ok()) << run.error().to_string();
    EXPECT_NEAR(run->logits[0][0].item<double>(), expected.at("predictions")[row].get<double>(), 1e-4);
  }
}

TEST_F(IclRegression, OtherModelsAreRefusedWithAReason) {
  const Status fits = detector_->check(load("attn_only"));
  ASSERT_FALSE(fits.ok());
  EXPECT_EQ(fits.error().code, ErrorCode::unsupported);
  EXPECT_THAT(fits.error().message, testing::HasSubstr("real numbers"));
}

} // namespace
} // namespace headscope
