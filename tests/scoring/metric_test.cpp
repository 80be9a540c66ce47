// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/scoring/metric.h"

#include <cmath>
#include <numbers>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/prompts/word_tokenizer.h"

namespace headscope {
namespace {

using testing::HasSubstr;

std::vector<double> values(MetricKind metric, const at::Tensor& logits, const std::vector<Answers>& answers,
                           const at::Tensor& reference = {}) {
  const auto result = metric_values(metric, logits, answers, reference);
  EXPECT_TRUE(result.ok()) << result.error().to_string();
  if (!result.ok()) return {};
  std::vector<double> out;
  for (std::int64_t i = 0; i < result->numel(); ++i)
    out.push_back((*result)[i].item<double>());
  return out;
}

// exp(logits) are whole numbers, so that probabilities are fractions: row 0 is 1 2 3 4 of 10, row 1 is 8 1 1 6 of 16.
at::Tensor sample_logits() {
  return at::tensor({1.0, 2.0, 3.0, 4.0, 8.0, 1.0, 1.0, 6.0}, at::kDouble).view({2, 4}).log();
}

const std::vector<Answers> sample_answers = {{{3}, {0}}, {{0, 3}, {1, 2}}};

TEST(Metric, LogitDifference) {
  const auto got = values(MetricKind::logit_diff, sample_logits().to(at::kFloat), sample_answers);
  EXPECT_NEAR(got[0], std::log(4.0), 1e-6);
  EXPECT_NEAR(got[1], (std::log(8.0) + std::log(6.0)) / 2, 1e-6);
}

TEST(Metric, ProbabilityDifference) {
  const auto got = values(MetricKind::prob_diff, sample_logits(), sample_answers);
  EXPECT_NEAR(got[0], 0.4 - 0.1, 1e-12);
  EXPECT_NEAR(got[1], 14.0 / 16 - 2.0 / 16, 1e-12);
  EXPECT_NEAR(values(MetricKind::prob_diff, sample_logits(), {{{1}, {}}, {{1}, {}}})[0], 0.2, 1e-12);
}

TEST(Metric, RankCountsLargerLogitsAndAccuracyIsRankZero) {
  const std::vector<Answers> answers = {{{1}, {}}, {{1, 3}, {}}};
  EXPECT_EQ(values(MetricKind::answer_rank, sample_logits(), answers), (std::vector<double>{2, 1}));
  EXPECT_EQ(values(MetricKind::accuracy, sample_logits(), answers), (std::vector<double>{0, 0}));
  EXPECT_EQ(values(MetricKind::accuracy, sample_logits(), sample_answers), (std::vector<double>{1, 1}));
  // Wrong answers never count, whatever their logit.
  EXPECT_EQ(values(MetricKind::answer_rank, sample_logits(), {{{0}, {3}}, {{1}, {0}}}), (std::vector<double>{3, 2}));
}

TEST(Metric, Divergences) {
  const at::Tensor p = at::tensor({0.5, 0.25, 0.25}, at::kDouble).view({1, 3}).log();
  const at::Tensor q = at::tensor({0.25, 0.25, 0.5}, at::kDouble).view({1, 3}).log();
  const double kl = 0.5 * std::log(2.0) - 0.25 * std::log(2.0);
  EXPECT_NEAR(values(MetricKind::kl_divergence, q, {}, p)[0], kl, 1e-12);
  const double js = 0.5 * std::log(0.5 / 0.375) + 0.25 * std::log(0.25 / 0.375);
  EXPECT_NEAR(values(MetricKind::js_divergence, q, {}, p)[0], js, 1e-12);
  // Which of the two is the reference matters to one of them only.
  const at::Tensor r = at::tensor({0.7, 0.2, 0.1}, at::kDouble).view({1, 3}).log();
  const double forward = 0.5 * std::log(0.5 / 0.7) + 0.25 * std::log(0.25 / 0.2) + 0.25 * std::log(0.25 / 0.1);
  EXPECT_NEAR(values(MetricKind::kl_divergence, r, {}, p)[0], forward, 1e-12);
  EXPECT_NEAR(values(MetricKind::js_divergence, r, {}, p)[0], values(MetricKind::js_divergence, p, {}, r)[0], 1e-12);
  // Disjoint distributions give ln 2, and constants added to logits do not matter.
  const at::Tensor far = at::tensor({100.0, -100.0, -100.0}).view({1, 3}),
                   other = at::tensor({-50.0, 150.0, -50.0}).view({1, 3});
  EXPECT_NEAR(values(MetricKind::js_divergence, far, {}, other)[0], std::numbers::ln2, 1e-12);
}

TEST(Metric, ManyRowsAreTheRowsOneByOne) {
  at::manual_seed(1);
  const at::Tensor logits = at::randn({75, 40}), reference = at::randn({75, 40});
  std::vector<Answers> answers;
  for (std::int64_t i = 0; i < 75; ++i)
    answers.push_back({{i % 40, (i + 3) % 40}, {(i + 9) % 40}});
  for (const MetricKind metric : {MetricKind::logit_diff, MetricKind::prob_diff, MetricKind::kl_divergence,
                                  MetricKind::js_divergence, MetricKind::answer_rank, MetricKind::accuracy}) {
    const auto all = values(metric, logits, answers, reference);
    ASSERT_EQ(all.size(), 75u);
    for (const std::int64_t i : {0, 31, 32, 74})
      EXPECT_NEAR(
          all[static_cast<std::size_t>(i)],
          values(metric, logits.narrow(0, i, 1), {answers[static_cast<std::size_t>(i)]}, reference.narrow(0, i, 1))[0],
          1e-12)
          << to_string(metric) << " " << i;
  }
}

// Central differences in double precision.
TEST(Metric, GradientsAreThoseOfFiniteDifferences) {
  at::manual_seed(2);
  const at::Tensor logits = at::randn({2, 6}, at::kDouble), reference = at::randn({2, 6}, at::kDouble);
  const std::vector<Answers> answers = {{{1}, {2}}, {{0, 4}, {5}}};
  for (const MetricKind metric :
       {MetricKind::logit_diff, MetricKind::prob_diff, MetricKind::kl_divergence, MetricKind::js_divergence}) {
    const at::Tensor variable = logits.clone().requires_grad_(true);
    metric_values(metric, variable, answers, reference).value().sum().backward();
    for (std::int64_t r = 0; r < 2; ++r) {
      for (std::int64_t t = 0; t < 6; ++t) {
        const at::Tensor up = logits.clone(), down = logits.clone();
        up[r][t] += 1e-6;
        down[r][t] -= 1e-6;
        const double slope = (values(metric, up, answers, reference)[static_cast<std::size_t>(r)] -
                              values(metric, down, answers, reference)[static_cast<std::size_t>(r)]) /
                             2e-6;
        EXPECT_NEAR(variable.grad()[r][t].item<double>(), slope, 1e-7) << to_string(metric);
      }
    }
  }
}

TEST(Metric, NamesAreParsed) {
  for (const char* name : {"logit_diff", "prob_diff", "kl_divergence", "js_divergence", "answer_rank", "accuracy"})
    EXPECT_STREQ(to_string(parse_name<MetricKind>(name, "metric").value()), name);
  const Error error = parse_name<MetricKind>("logitdiff", "metric").error();
  EXPECT_EQ(error.code, ErrorCode::invalid_argument);
  EXPECT_THAT(error.message, HasSubstr("prob_diff"));
}

TEST(Metric, SaysWhatIsMissing) {
  const auto check = [](MetricKind metric, Answers answers) {
    const std::vector<Answers> list = {{{1}, {2}}, std::move(answers)};
    return check_answers(metric, list, 10).error();
  };
  EXPECT_THAT(check(MetricKind::logit_diff, {{1}, {}}).message, HasSubstr("prompt 1 has no wrong answer"));
  EXPECT_THAT(check(MetricKind::accuracy, {}).message, HasSubstr("prompt 1 has no answer"));
  EXPECT_EQ(check(MetricKind::prob_diff, {{1}, {10}}).field, "wrong");
  EXPECT_EQ(check(MetricKind::prob_diff, {{-1}, {}}).field, "answer");
  EXPECT_TRUE(check_answers(MetricKind::kl_divergence, {}, 10).ok());
  EXPECT_EQ(metric_values(MetricKind::kl_divergence, sample_logits(), {}).error().code, ErrorCode::mismatch);
  EXPECT_EQ(metric_values(MetricKind::accuracy, sample_logits(), {}).error().code, ErrorCode::mismatch);
}

TEST(Metric, AnswerIsTheTokenThatContinuesAText) {
  const test::WordTokenizer tokenizer({" Christopher"});
  EXPECT_EQ(tokenizer.text(answer_token(tokenizer, " Mary").value()), " Mary");
  const Error error = answer_token(tokenizer, " Christopher").error();
  EXPECT_EQ(error.code, ErrorCode::mismatch);
  EXPECT_THAT(error.message, HasSubstr("2 tokens (\" C\", \"hristopher\")"));
  EXPECT_EQ(answer_token(tokenizer, "").error().code, ErrorCode::invalid_argument);
}

TEST(MetricTable, EveryMetricSaysItsUnit) {
  EXPECT_GE(names_of<MetricKind>().size(), 6U);
  for (const auto& [metric, name, what] : names_of<MetricKind>()) {
    EXPECT_STREQ(info(metric).name, name);
    EXPECT_STREQ(info(metric).what, what);
    EXPECT_TRUE(parse_name<MetricKind>(name, "metric").value() == metric);
  }
  EXPECT_STREQ(units_of(MetricKind::logit_diff), "logit");
  EXPECT_STREQ(units_of(MetricKind::kl_divergence), "nat"); // of natural logarithms
  EXPECT_STREQ(units_of(MetricKind::js_divergence), "nat");
  EXPECT_STREQ(units_of(MetricKind::prob_diff), "1");
  EXPECT_STREQ(units_of(MetricKind::accuracy), "1");
  EXPECT_STREQ(units_of(MetricKind::answer_rank), "rank");
  EXPECT_FALSE(check_has_gradient(MetricKind::accuracy, "").ok());
}

} // namespace
} // namespace headscope
