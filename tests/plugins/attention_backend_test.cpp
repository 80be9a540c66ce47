// SPDX-License-Identifier: GPL-3.0-or-later
// The template's attention backend, the definition in double precision, against the engine's own attention: whatever a
// run asks for inside attention must come out the same.
#include <map>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "plugins/host/plugin_host.h"
#include "tests/engine/tiny_model.h"

namespace headscope::plugin {
namespace {

// float32 against float64 inside attention; logits are of the order of 10, weights of 1.
constexpr double tolerance = 1e-4;

std::shared_ptr<const AttentionPlugin> double_backend() {
  static const PluginHost host = [] {
    HostOptions options;
    options.folders = {HEADSCOPE_BINARY_DIR "/tests/plugins/backends"};
    options.probe.time_limit = std::chrono::minutes(20); // on a busy machine a program starts slowly
    return PluginHost::load(options);
  }();
  auto found = host.attention("double");
  if (!found.ok()) throw std::runtime_error(found.error().to_string());
  return *found;
}

class DoubleAttention : public testing::TestWithParam<std::string> {
protected:
  DoubleAttention() : model_(test::tiny_model(GetParam())), own_(model_), other_(model_, double_backend()) {}

  // Runs both; the logits must agree, but not to the last bit, or the backend was not used.
  std::pair<RunResult, RunResult> both(const RunRequest& request) {
    auto a = own_.run(request), b = other_.run(request);
    if (!a.ok() || !b.ok()) throw std::runtime_error((a.ok() ? b : a).error().to_string());
    expect_near(b->logits, a->logits);
    EXPECT_FALSE(at::equal(b->logits, a->logits));
    return {std::move(*a), std::move(*b)};
  }

  static void expect_near(const at::Tensor& got, const at::Tensor& expected, double allowed = tolerance) {
    ASSERT_EQ(got.sizes(), expected.sizes());
    EXPECT_TRUE(at::isfinite(got).equal(at::isfinite(expected))); // hidden scores are -inf in both
    const at::Tensor difference = at::where(at::isfinite(expected), got - expected, at::zeros_like(got)).abs();
    EXPECT_LT(difference.max().item<double>(), allowed);
  }

  // Three rows, padded on the left.
  static RunRequest padded() {
    RunRequest request;
    request.batch = TokenBatch::pad({test::tiny_tokens(11, 1), test::tiny_tokens(7, 2), test::tiny_tokens(9, 3)},
                                    TokenBatch::Side::left);
    request.until = LogitRows::last;
    return request;
  }

  std::shared_ptr<Model> model_;
  Engine own_, other_;
};

TEST_P(DoubleAttention, GivesTheSameLogits) {
  RunRequest request;
  request.batch = TokenBatch::single(test::tiny_tokens(23, 5));
  both(request);
  both(padded());
}

TEST_P(DoubleAttention, ShowsTheSameScoresAndPatterns) {
  RunRequest request;
  request.batch = TokenBatch::single(test::tiny_tokens(13, 5));
  request.capture = *match_hook_names("*attn_scores,*hook_pattern,*hook_z", model_->config);
  const auto [own, other] = both(request);
  for (const auto& [site, value] : own.cache.all())
    expect_near(other.cache.all().at(site), value);
}

TEST_P(DoubleAttention, IsChangedByTheSameInterventions) {
  const at::Tensor plain = own_.run(padded())->logits;
  for (const char* name : {"blocks.1.attn.hook_attn_scores", "blocks.1.attn.hook_pattern"}) {
    RunRequest request = padded();
    request.hooks.push_back({*parse_hook_name(name, model_->config), [](HookSite, at::Tensor x) {
                               return x.flip(1); // other heads' scores
                             }});
    EXPECT_GT((both(request).first.logits - plain).abs().max().item<double>(), 100 * tolerance) << name;
  }
}

TEST_P(DoubleAttention, LetsHeadsAttendUniformly) {
  RunRequest request = padded();
  const at::Tensor plain = own_.run(request)->logits;
  Intervention uniform;
  uniform.site = *parse_hook_name("blocks.1.attn.hook_pattern", model_->config);
  uniform.kind = InterventionKind::uniform;
  uniform.head = 2;
  request.interventions.push_back(uniform);
  EXPECT_GT((both(request).first.logits - plain).abs().max().item<double>(), 100 * tolerance);
}

TEST_P(DoubleAttention, StreamsTheSameTilesAndStatistics) {
  RunRequest request;
  request.batch = TokenBatch::single(test::tiny_tokens(17, 4));
  std::map<int, at::Tensor> rows[2];
  std::map<int, AttentionStatistics> counted[2];
  const Engine* engines[] = {&own_, &other_};
  for (int i = 0; i < 2; ++i) {
    AttentionObserver observer;
    observer.tile = [&](const PatternTile& tile) { rows[i][tile.layer] = tile.pattern.clone(); };
    request.observer = &observer;
    request.statistics = nullptr;
    ASSERT_TRUE(engines[i]->run(request).ok());
    AttentionStatisticsRequest statistics;
    statistics.key_sum = statistics.entropy = true;
    statistics.distances = {0, 1};
    statistics.done = [&](const AttentionStatistics& layer) { counted[i][layer.layer] = layer; };
    request.observer = nullptr;
    request.statistics = &statistics;
    ASSERT_TRUE(engines[i]->run(request).ok());
  }
  ASSERT_EQ(rows[0].size(), 3U);
  for (int layer = 0; layer < 3; ++layer) {
    expect_near(rows[1].at(layer), rows[0].at(layer));
    expect_near(counted[1].at(layer).key_sum, counted[0].at(layer).key_sum);
    expect_near(counted[1].at(layer).entropy, counted[0].at(layer).entropy);
    expect_near(counted[1].at(layer).stripe, counted[0].at(layer).stripe);
  }
}

TEST_P(DoubleAttention, HasTheSameGradients) {
  GradientRequest request;
  request.run = padded();
  request.metric = [](const at::Tensor& logits) { return logits.select(1, 3).sum(); };
  request.gradients = *match_hook_names("*hook_z,*hook_resid_pre", model_->config);
  const auto own = own_.run_with_gradients(request), other = other_.run_with_gradients(request);
  ASSERT_TRUE(own.ok() && other.ok());
  for (const auto& [site, gradient] : own->gradients.all())
    expect_near(other->gradients.all().at(site), gradient);
}

TEST_P(DoubleAttention, GoesOnFromACache) {
  const std::vector<std::int64_t> tokens = test::tiny_tokens(20, 7);
  RunRequest whole;
  whole.batch = TokenBatch::single(tokens);
  const at::Tensor expected = own_.run(whole)->logits;
  KvCache cache;
  std::vector<at::Tensor> parts;
  for (const auto& [begin, end] : {std::pair{0, 12}, std::pair{12, 19}, std::pair{19, 20}}) {
    RunRequest step;
    step.batch = TokenBatch::single({tokens.begin() + begin, tokens.begin() + end});
    step.past = KvPast::append_to(cache);
    auto result = other_.run(step);
    ASSERT_TRUE(result.ok());
    parts.push_back(result->logits);
  }
  expect_near(at::cat(parts, 1), expected);
}

INSTANTIATE_TEST_SUITE_P(Families, DoubleAttention, testing::ValuesIn(test::tiny_families()),
                         [](const auto& test) { return test.param; });

} // namespace
} // namespace headscope::plugin
