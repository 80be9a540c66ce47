// SPDX-License-Identifier: GPL-3.0-or-later
// Checks what a run refuses, and that the message names the field.
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

TEST_F(Refusals, BadPadding) {
  RunRequest bad = request();
  bad.batch.left_pad = {1, 1};
  refused(bad, ErrorCode::mismatch, "left_pad");
  bad.batch.left_pad = {3};
  refused(bad, ErrorCode::invalid_argument, "left_pad");
  bad.batch.left_pad = {};
  bad.batch.right_pad = {-1};
  refused(bad, ErrorCode::invalid_argument, "right_pad");
}

TEST_F(Refusals, WhatDoesNotGoWithACache) {
  KvCache cache;
  RunRequest bad = request();
  bad.past = KvPast::append_to(cache);
  bad.until = BeforeLayer{2};
  refused(bad, ErrorCode::invalid_argument, "all layers");
  bad.until = LogitRows::all;
  bad.rows = {RowGroup::from_residual(0, at::zeros({1, 3, engine_.config().d_model}))};
  refused(bad, ErrorCode::invalid_argument, "all layers");
  bad.rows = {};
  bad.batch.right_pad = {1};
  refused(bad, ErrorCode::invalid_argument, "pad on the left");
  EXPECT_EQ(cache.length(), 0);
}

TEST_F(Refusals, BadRows) {
  RunRequest bad = request();
  const at::Tensor resid = at::zeros({1, 3, engine_.config().d_model});
  bad.rows = {RowGroup::from_residual(3, resid)};
  refused(bad, ErrorCode::invalid_argument, "rows[0]: cannot enter at layer 3");
  bad.rows = {RowGroup::from_residual(1, resid)};
  bad.until = BeforeLayer{0};
  refused(bad, ErrorCode::invalid_argument, "ends at layer 0");
  bad.until = BeforeLayer{3};
  refused(bad, ErrorCode::invalid_argument, "until");
  bad.until = LogitRows::all;
  bad.rows = {RowGroup::from_residual(1, at::Tensor())};
  refused(bad, ErrorCode::mismatch, "rows[0].resid");
  bad.rows = {RowGroup::from_residual(1, resid.repeat({2, 1, 1}))};
  refused(bad, ErrorCode::mismatch, "rows: have 2 rows, the tokens have 1");
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
