// SPDX-License-Identifier: GPL-3.0-or-later
// What a run refuses, and that the message names the field.
#include "core/engine/device.h"
#include "core/engine/generate.h"
#include "tests/engine/golden.h"

namespace headscope {
namespace {

class Refusals : public testing::Test {
protected:
  void refused(const RunRequest& request, ErrorCode code, const std::string& part) {
    const auto result = engine_.run(request);
    ASSERT_FALSE(result.ok()) << part;
    EXPECT_EQ(result.error().code, code) << result.error().to_string();
    EXPECT_NE(result.error().to_string().find(part), std::string::npos) << result.error().to_string();
  }
  static RunRequest request() {
    RunRequest request;
    request.batch = TokenBatch::single({3, 4, 5});
    return request;
  }
  Engine engine_{load_golden("llama")};
};

TEST_F(Refusals, BadTokens) {
  RunRequest bad = request();
  bad.batch.tokens = at::empty({1, 0}, at::kLong);
  refused(bad, ErrorCode::invalid_argument, "empty");
  bad.batch = TokenBatch::single({3, 101});
  refused(bad, ErrorCode::invalid_argument, "101");
  bad.batch = TokenBatch::single({-1});
  refused(bad, ErrorCode::invalid_argument, "-1");
  bad.batch.tokens = at::zeros({1, 65}, at::kLong);
  refused(bad, ErrorCode::mismatch, "65 tokens");
}

TEST_F(Refusals, BadInterventions) {
  RunRequest bad = request();
  bad.interventions = {{.site = {HookPoint::z, 7}}};
  refused(bad, ErrorCode::not_found, "blocks.7.attn.hook_z");
  bad.interventions = {{.site = {HookPoint::z, 0}, .head = 4}};
  refused(bad, ErrorCode::invalid_argument, "heads 0 to 3");
  bad.interventions = {{.site = {HookPoint::v, 0}, .head = 2}}; // two K/V heads
  refused(bad, ErrorCode::invalid_argument, "heads 0 to 1");
  bad.interventions = {{.site = {HookPoint::resid_pre, 0}, .head = 0}};
  refused(bad, ErrorCode::invalid_argument, "no head axis");
  bad.interventions = {{.site = {HookPoint::z, 0}, .positions = {3}}};
  refused(bad, ErrorCode::invalid_argument, "position 3");
  bad.interventions = {{.site = {HookPoint::z, 0}, .row = 1}};
  refused(bad, ErrorCode::invalid_argument, "rows 0 to 0");
  bad.interventions = {{.site = {HookPoint::z, 0}, .kind = InterventionKind::set, .head = 0}};
  refused(bad, ErrorCode::invalid_argument, "value");
  bad.interventions = {{.site = {HookPoint::z, 0}, .kind = InterventionKind::set, .head = 0, .value = at::zeros({9})}};
  refused(bad, ErrorCode::mismatch, "[9]");
}

TEST_F(Refusals, CancelStopsBeforeTheFirstLayer) {
  RunRequest cancelled = request();
  cancelled.cancel.cancel();
  refused(cancelled, ErrorCode::cancelled, "cancelled");
}

TEST_F(Refusals, AHookMustKeepTheShape) {
  RunRequest bad = request();
  bad.hooks = {{{HookPoint::resid_pre, 0}, [](HookSite, at::Tensor x) { return x.narrow(1, 0, 1); }}};
  refused(bad, ErrorCode::mismatch, "blocks.0.hook_resid_pre");
}

TEST_F(Refusals, GenerationPastTheContext) {
  GenerateOptions options;
  options.max_new_tokens = 62;
  const auto result = generate(engine_, {3, 4, 5}, options);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::mismatch);
  EXPECT_FALSE(generate(engine_, {}, {}).ok());
}

TEST(Devices, NamesAndMissingOnes) {
  EXPECT_TRUE(open_device("cpu").ok());
  EXPECT_EQ(open_device("gpu").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(open_device("cuda:x").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(open_device("cuda:77").error().code, ErrorCode::device);
}

} // namespace
} // namespace headscope
