// SPDX-License-Identifier: GPL-3.0-or-later
// Modules that do one thing wrong each, by what they are compiled with; see CMakeLists.txt.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include <unistd.h>

#include "plugins/sdk/detector.h"
#include "plugins/sdk/plugin.h"

namespace headscope {
void no_such_function_of_headscope();
}

namespace {

using namespace headscope;

#ifndef TEST_ID
#define TEST_ID "good"
#endif

[[maybe_unused]] void crash() { std::raise(SIGSEGV); }

#ifdef TEST_CRASH_ON_OPEN
const int opened = (crash(), 0);
#endif

class Constant : public Detector {
public:
  Constant() {
#if defined(TEST_THROW)
    throw std::runtime_error("the calibration file is missing");
#elif defined(TEST_THROW_OTHER)
    throw 7;
#elif defined(TEST_CRASH)
    std::fprintf(stderr, "reading the calibration file\n");
    crash();
#elif defined(TEST_EXIT)
    _exit(0);
#elif defined(TEST_HANG)
    std::this_thread::sleep_for(std::chrono::hours(1));
#elif defined(TEST_MISSING)
    no_such_function_of_headscope();
#elif defined(TEST_PRINT)
    std::puts("{\"good\": true, \"reason\": \"\", \"provides\": [\"forged\"]}");
    std::fflush(stdout);
#endif
  }

  std::string id() const override { return TEST_ID; }
  std::string title() const override {
#ifdef TEST_THROW_LATER
    throw std::runtime_error("no title today");
#endif
    return "Constant";
  }
  std::string description() const override { return "The same score for every head"; }
  std::string reference() const override { return "a test"; }
  std::vector<OptionSpec> options() const override {
    return {{"threshold", 0.5, "heads with at least this score are named"},
            {"score", 1.0, "of every head"},
            {"fail", std::string("no"), "how to fail", {"no", "throw", "throw_other", "shape", "check"}}};
  }
  Status check(const Engine&) const override { return {}; }
  Status check_options(const OptionSet& options) const override {
    if (options.text("fail") == "check") throw std::runtime_error("there is nothing to check");
    return {};
  }

  Result<DetectorResult> run(const DetectorRun& run) const override {
    const std::string& fail = run.options.text("fail");
    if (fail == "throw") throw std::runtime_error("there is nothing to measure");
    if (fail == "throw_other") throw 7;
    DetectorResult result = empty_result(run.engine);
    for (float& score : result.scores)
      score = static_cast<float>(run.options.number("score"));
    if (fail == "shape") result.scores.pop_back();
    result.description = description();
    result.threshold = run.options.number("threshold");
    if (fail == "no") name_heads(result);
    return result;
  }
};

} // namespace

#if defined(TEST_NO_ENTRY)
#elif defined(TEST_OLD_TABLE)
extern "C" const headscope_plugin_table* headscope_plugin(void) {
  static const headscope_plugin_table table = {HEADSCOPE_SDK_VERSION + 1, "detector", nullptr};
  return &table;
}
#elif defined(TEST_EMPTY)
HEADSCOPE_DETECTOR_PLUGIN(std::vector<std::unique_ptr<headscope::Detector>>())
#else
HEADSCOPE_DETECTOR_PLUGIN(std::make_unique<Constant>())
#endif
