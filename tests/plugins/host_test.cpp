// SPDX-License-Identifier: GPL-3.0-or-later
// What of the host the program's own tests do not reach: children, time limits, cancelling, walls around backends.
#include <chrono>
#include <filesystem>
#include <thread>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/host/child_process.h"
#include "plugins/host/guards.h"
#include "plugins/host/plugin_host.h"
#include "tests/analysis/tiny_model.h"

namespace headscope::plugin {
namespace {

using testing::HasSubstr;

ChildOutcome run_shell(const std::string& script, ChildRequest request = {}) {
  request.command = {"sh", "-c", script};
  auto outcome = run_child(request);
  EXPECT_TRUE(outcome.ok());
  return outcome.ok() ? *outcome : ChildOutcome{};
}

TEST(ChildProcess, GivesWhatWasSaidAndHowItEnded) {
  ChildRequest request;
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
  const ChildOutcome outcome = run_shell("sleep 100 & sleep 100", request);
  EXPECT_TRUE(outcome.timed_out);
  EXPECT_EQ(how_it_ended(outcome, request), "did not end within 1 s");
}

TEST(ChildProcess, IsCancelled) {
  ChildRequest request;
  request.command = {"sleep", "100"};
  std::thread later([token = request.cancel] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    token.cancel();
  });
  EXPECT_EQ(run_child(request).error().code, ErrorCode::cancelled);
  later.join();
}

TEST(PluginHost, RefusesAModuleThatHangs) {
  HostOptions options;
  options.folders = {HEADSCOPE_BINARY_DIR "/tests/plugins/modules/hang"};
  options.probe.cache.clear();
  options.probe.time_limit = std::chrono::seconds(5); // until its constructor is reached, on a busy machine too
  const PluginHost host = PluginHost::load(options);
  ASSERT_EQ(host.entries().size(), 1U);
  EXPECT_FALSE(host.entries()[0].loaded);
  EXPECT_THAT(host.entries()[0].reason, HasSubstr("did not end within 5 s"));
}

TEST(PluginHost, SaysWhenTheProgramThatTriesModulesIsMissing) {
  HostOptions options;
  options.folders = {HEADSCOPE_BINARY_DIR "/tests/plugins/modules/good"};
  options.probe.program = "/nowhere/headscope";
  const PluginHost host = PluginHost::load(options);
  ASSERT_EQ(host.entries().size(), 1U);
  EXPECT_THAT(host.entries()[0].reason, HasSubstr("there is no /nowhere/headscope"));
}

class OddBackend : public AttentionPlugin {
public:
  explicit OddBackend(bool throws) : throws_(throws) {}
  const char* name() const override { return "odd"; }
  std::string title() const override { return "Odd"; }
  std::string description() const override { return "Wrong on purpose"; }
  at::Tensor run(const AttentionInput& input) const override {
    if (throws_) throw 7;
    return input.q.narrow(1, 0, 1);
  }

private:
  bool throws_;
};

TEST(Guards, TurnWhatABackendDoesWrongIntoErrors) {
  RunRequest request;
  request.batch = TokenBatch::single({1, 2, 3});
  for (const bool throws : {false, true}) {
    auto backend = guard(std::make_unique<OddBackend>(throws), "odd.so");
    ASSERT_TRUE(backend.ok());
    const Engine engine(test::tiny_model("llama"), *backend);
    const auto result = engine.run(request);
    ASSERT_FALSE(result.ok());
    EXPECT_THAT(result.error().to_string(), HasSubstr("odd.so"));
    EXPECT_THAT(result.error().to_string(), HasSubstr(throws ? "unknown type" : "shape"));
  }
}

} // namespace
} // namespace headscope::plugin
