// SPDX-License-Identifier: GPL-3.0-or-later
// Mechanisms of plugins: the template stands in plans beside Headscope's own and is what its reference says, and what a
// mechanism does wrong becomes an error that names its module.
#include <chrono>
#include <limits>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/mechanisms/plan.h"
#include "plugins/host/plugin_host.h"
#include "plugins/sdk/mechanism_check.h"
#include "tests/engine/tiny_model.h"

namespace headscope::plugin {
namespace {

using mechanisms::AttentionPlan;
using mechanisms::CheckedPoint;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const PluginHost& host() {
  static const PluginHost loaded = [] {
    HostOptions options;
    options.folders = {HEADSCOPE_BINARY_DIR "/tests/plugins/mechanisms",
                       HEADSCOPE_BINARY_DIR "/tests/plugins/modules/odd"};
    options.probe.time_limit = std::chrono::minutes(20); // on a busy machine a program starts slowly
    return PluginHost::load(options);
  }();
  return loaded;
}

struct Planned {
  explicit Planned(const std::string& spec) : plan(AttentionPlan::parse(spec, engine.config(), host().mechanisms())) {
    request.batch = TokenBatch::single(test::tiny_tokens(40, 1));
    if (plan.ok()) request.attention = plan->get();
  }
  at::Tensor logits() const {
    const auto result = engine.run(request);
    if (!plan.ok() || !result.ok()) throw std::runtime_error((plan.ok() ? result.error() : plan.error()).to_string());
    return result->logits;
  }
  std::string error() const {
    if (!plan.ok()) return plan.error().to_string();
    const auto result = engine.run(request);
    return result.ok() ? "" : result.error().to_string();
  }

  Engine engine{test::tiny_model("llama")};
  Result<std::shared_ptr<const AttentionPlan>> plan;
  RunRequest request;
};

double difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST(PluginMechanism, IsListedBehindHeadscopesOwn) {
  const auto& all = host().mechanisms().all();
  ASSERT_EQ(all.size(), mechanisms::MechanismList::built_in().all().size() + 2);
  EXPECT_STREQ(all[all.size() - 2]->info.id, "fade");
  EXPECT_THAT(all[all.size() - 2]->module, testing::EndsWith("mechanisms/fade.so"));
  EXPECT_EQ(host().entries()[0].kind, "mechanism");
  EXPECT_THAT(host().entries()[0].provides, ElementsAre("fade"));
}

TEST(PluginMechanism, StandsInAPlanBesideOthers) {
  const Planned mixed("fade:slope=0.3@heads=0.1,1.2;window:window=9@layers=2"), window("window:window=9@layers=2");
  ASSERT_EQ(mixed.error(), "");
  EXPECT_STREQ((*mixed.plan)->parts(0).front().info->id, "fade");
  EXPECT_GT(difference(mixed.logits(), window.logits()), 1e-3);
  const Planned none("fade:slope=0@heads=0.1,1.2;window:window=9@layers=2");
  EXPECT_LT(difference(none.logits(), window.logits()), 1e-4);
  const mechanisms::PlanFiles files = mechanisms::files_of("fade;window@heads=1.1;fade:slope=0", host().mechanisms());
  EXPECT_THAT(files.modules, ElementsAre(testing::EndsWith("mechanisms/fade.so")));
}

TEST(PluginMechanism, GoesOnFromACache) {
  Planned run("fade:slope=0.4");
  const std::vector<std::int64_t> tokens = test::tiny_tokens(40, 1);
  const at::Tensor whole = run.logits();
  KvCache cache;
  run.request.past = KvPast::append_to(cache);
  run.request.batch = TokenBatch::single({tokens.begin(), tokens.begin() + 30});
  (void)run.logits();
  for (std::int64_t at = 30; at < 40; ++at) {
    run.request.batch = TokenBatch::single({tokens[static_cast<std::size_t>(at)]});
    EXPECT_LT(difference(run.logits()[0][0], whole[0][at]), 1e-4) << at;
  }
}

TEST(PluginMechanism, HasItsOptionsChecked) {
  EXPECT_THAT(Planned("fade:slop=1").error(), HasSubstr("slop: slop fade has no option 'slop'; it has slope or sinks"));
  EXPECT_THAT(Planned("fade:slope=-1").error(), HasSubstr("slope must be at least 0"));
  EXPECT_THAT(Planned("odd:fail=never").error(), HasSubstr("fail must be no"));
  EXPECT_THAT(Planned("odd:fail=model").error(), HasSubstr("odd takes no model of 3 layers (in 'odd:fail=model')"));
  EXPECT_THAT(Planned("odd:fail=construct").error(), AllOf(HasSubstr("odd.so"), HasSubstr("the moon is wrong")));
  EXPECT_THAT(Planned("other").error(), AllOf(HasSubstr("'other' is no mechanism"), HasSubstr("fade or odd")));
}

struct Wrong {
  const char* fail;
  const char* said;
};

class WrongMechanism : public testing::TestWithParam<Wrong> {};

TEST_P(WrongMechanism, IsNamed) {
  const auto& [fail, said] = GetParam();
  EXPECT_THAT(Planned(std::string("odd:fail=") + fail).error(), AllOf(HasSubstr("odd.so"), HasSubstr(said)));
}

INSTANTIATE_TEST_SUITE_P(All, WrongMechanism,
                         testing::Values(Wrong{"throw", "there is nothing to attend to"},
                                         Wrong{"throw_other", "an exception of an unknown type"},
                                         Wrong{"shape", "[head, query, key] = 4 x 40 x 40"},
                                         Wrong{"nan", "NaN or infinite"}, Wrong{"no_key", "a query without any key"},
                                         Wrong{"later", "keys behind their query"}, Wrong{"weights", "gives weights"}),
                         [](const auto& test) { return test.param.fail; });

TEST(PluginMechanism, IsNotBlamedForNaNOfTheModel) {
  Planned run("odd");
  Intervention broken;
  broken.site = {HookPoint::k, 0};
  broken.kind = InterventionKind::scale;
  broken.factor = std::numeric_limits<float>::quiet_NaN();
  run.request.interventions = {broken};
  EXPECT_EQ(run.error().find("odd.so"), std::string::npos) << run.error();
}

TEST(PluginMechanism, WithoutAGradientSaysSo) {
  const Planned run("odd");
  GradientRequest request;
  request.run = run.request;
  request.metric = [](const at::Tensor& logits) { return logits.sum(); };
  request.gradients = {{HookPoint::z, 0}};
  const auto result = run.engine.run_with_gradients(request);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, HasSubstr("odd in layer 0 has no gradient"));
}

// ---- The check that the SDK has for authors

std::vector<std::string> failures_of(const std::string& spec) {
  const auto parsed = mechanisms::parse_specs(spec, host().mechanisms());
  if (!parsed.ok()) return {parsed.error().to_string()};
  std::vector<std::string> failures;
  for (const CheckedPoint& point : mechanisms::check_mechanism(parsed->front()))
    if (!point.failure.empty()) failures.push_back(point.what + ": " + point.failure);
  return failures;
}

TEST(MechanismCheck, PassesWhatIsRight) {
  for (const char* spec : {"fade", "fade:slope=0.2,sinks=0", "odd", "topk:k=6", "hip:k=8,window=8,block_q=4,block_k=2",
                           "moh:top=2", "titans", "streaming:sinks=2,window=5,positions=cache", "conv:last=0.3"})
    EXPECT_THAT(failures_of(spec), ElementsAre()) << spec;
}

TEST(MechanismCheck, NamesWhatIsWrong) {
  EXPECT_THAT(failures_of("odd:fail=form"), testing::Contains(HasSubstr("form and reference, 31 tokens: differs")));
  EXPECT_THAT(failures_of("odd:fail=later"), testing::Contains(HasSubstr("keys behind their query")));
}

} // namespace
} // namespace headscope::plugin
