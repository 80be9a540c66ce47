// SPDX-License-Identifier: GPL-3.0-or-later
// Child processes, and the guards around plugins when they run.
#include <chrono>
#include <thread>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/child_process.h"
#include "plugins/host/plugin_host.h"
#include "tests/engine/tiny_model.h"

namespace headscope::plugin {
namespace {

using testing::HasSubstr;

ChildRequest patient() {
  ChildRequest request;
  request.time_limit = std::chrono::minutes(20);
  return request;
}

ChildOutcome run_shell(const std::string& script, ChildRequest request = patient()) {
  request.command = {"sh", "-c", script};
  auto outcome = run_child(request);
  EXPECT_TRUE(outcome.ok());
  return outcome.ok() ? *outcome : ChildOutcome{};
}

TEST(ChildProcess, GivesWhatWasSaidAndHowItEnded) {
  ChildRequest request = patient();
  request.environment["HEADSCOPE_TEST_WORD"] = "two words";
  request.folder = "/";
  const ChildOutcome good = run_shell("pwd; echo \"$HEADSCOPE_TEST_WORD\"; echo bad >&2; cat", request); // no input
  EXPECT_TRUE(good.good());
  EXPECT_EQ(good.out, "/\ntwo words\n");
  EXPECT_EQ(good.err, "bad\n");
  EXPECT_EQ(how_it_ended(run_shell("exit 3"), request), "ended with exit status 3");
  EXPECT_THAT(how_it_ended(run_shell("kill -9 $$"), request), HasSubstr("signal 9"));
  EXPECT_EQ(run_child({{"/nowhere/program"}, {}, {}, std::chrono::seconds(1), {}}).error().code, ErrorCode::not_found);
}

TEST(ChildProcess, KeepsTheEndOfLongOutput) {
  const ChildOutcome outcome = run_shell("i=0; while [ $i -lt 20000 ]; do echo line number $i; i=$((i+1)); done");
  EXPECT_TRUE(outcome.good());
  EXPECT_THAT(outcome.out, testing::EndsWith("line number 19999\n"));
  EXPECT_LT(outcome.out.size(), 200000U);
  EXPECT_EQ(last_lines(outcome.out, 2), "line number 19998 | line number 19999");
}

TEST(ChildProcess, EndsWithWhatItStartedWhenTheTimeIsOver) {
  ChildRequest request;
  request.time_limit = std::chrono::milliseconds(200);
  const ChildOutcome outcome = run_shell("sleep 10000 & sleep 10000", request);
  EXPECT_TRUE(outcome.timed_out);
  EXPECT_EQ(how_it_ended(outcome, request), "did not end within 1 s");
}

TEST(ChildProcess, IsCancelled) {
  ChildRequest request = patient();
  request.command = {"sleep", "10000"};
  std::thread later([token = request.cancel] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    token.cancel();
  });
  EXPECT_EQ(run_child(request).error().code, ErrorCode::cancelled);
  later.join();
}

Result<DetectorResult> run_good_module(const std::string& fail) {
  HostOptions options;
  options.folders = {HEADSCOPE_BINARY_DIR "/tests/plugins/modules/good"};
  options.probe.cache.clear();
  options.probe.time_limit = std::chrono::minutes(20); // on a busy machine a program starts slowly
  HS_ASSIGN(const auto detector, PluginHost::load(options).detector("good"));
  OptionSet set(detector->options());
  HS_TRY(set.set("fail", fail));
  return detector->run({Engine(test::tiny_model("llama")), set, {}, {}});
}

TEST(Guards, LetAGoodResultThrough) {
  const auto result = run_good_module("no");
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result->heads.size(), 12U); // its score is 1 for every head
}

TEST(Guards, TurnWhatADetectorDoesWrongIntoErrors) {
  EXPECT_THAT(run_good_module("throw").error().to_string(),
              testing::AllOf(HasSubstr("good.so"), HasSubstr("there is nothing to measure")));
  EXPECT_THAT(run_good_module("throw_other").error().to_string(),
              testing::AllOf(HasSubstr("good.so"), HasSubstr("unknown type")));
  EXPECT_THAT(run_good_module("shape").error().to_string(),
              testing::AllOf(HasSubstr("good.so"), HasSubstr("does not fit the model's 3 x 4 heads")));
}

} // namespace
} // namespace headscope::plugin
