// SPDX-License-Identifier: GPL-3.0-or-later
// Ablation and patching of a real model against transformers: tests/golden/generate_analysis.py.
#include <cmath>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/prompts/tasks/ioi.h"
#include "core/sweeps/head_ablation.h"
#include "core/sweeps/patching.h"

namespace headscope {
namespace {

using Table = std::vector<std::vector<double>>; // [layer][head or position]

// Two float32 programs differ by rounding only; the largest effect is of the order of 10.
constexpr double tolerance = 1e-3;

class SmolLm2 : public testing::Test {
protected:
  static void SetUpTestSuite() {
    std::ifstream in(HEADSCOPE_GOLDEN_DIR "/analysis/smollm2.json");
    golden = nlohmann::json::parse(in);
    const std::string path = HEADSCOPE_SOURCE_DIR "/build/models/" + golden.at("model").get<std::string>();
    if (!std::filesystem::exists(path)) return;
    auto model = load_model(path, {});
    ASSERT_TRUE(model.ok()) << model.error().to_string();
    engine = std::make_unique<Engine>(std::move(model).value());
  }
  static void TearDownTestSuite() { engine.reset(); }

  void SetUp() override {
    if (!engine) GTEST_SKIP() << "build/models has no " << golden.at("model") << "; run scripts/bootstrap";
  }

  static std::vector<AblationPrompt> prompts(std::size_t count) {
    std::vector<AblationPrompt> out;
    for (std::size_t i = 0; i < count; ++i) {
      const auto& prompt = golden.at("prompts").at(i);
      out.push_back({prompt.at("ids"), {{prompt.at("answer")}, {prompt.at("wrong")}}});
    }
    return out;
  }

  static void expect_effects(const HeadAblationOptions& options, std::size_t count, const char* name) {
    const auto result = ablate_heads(*engine, prompts(count), options);
    ASSERT_TRUE(result.ok()) << result.error().to_string();
    ASSERT_EQ(result->n_layers, 30);
    ASSERT_EQ(result->n_heads, 9);
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_NEAR(result->clean[i], golden.at("prompts").at(i).at("clean").get<double>(), tolerance);
      const Table expected = golden.at("prompts").at(i).at("effects").at(name);
      double largest = 0.0;
      for (std::size_t layer = 0; layer < 30; ++layer) {
        for (std::size_t head = 0; head < 9; ++head) {
          largest = std::max(largest, std::abs(expected[layer][head]));
          EXPECT_NEAR(result->effect(static_cast<std::int64_t>(i), static_cast<std::int64_t>(layer),
                                     static_cast<std::int64_t>(head)),
                      expected[layer][head], tolerance)
              << name << " prompt " << i << " head " << layer << "." << head;
        }
      }
      EXPECT_GT(largest, 100 * tolerance); // the table says something
    }
  }

  // Like expect_effects, for a list of prompts of which only the first has the golden.
  static void expect_first(const HeadAblationOptions& options, const char* name) { expect_effects(options, 1, name); }

  static void expect_patched(HookPoint site, const char* name) {
    const auto& patching = golden.at("patching");
    const auto& prompt = golden.at("prompts").at(0);
    PatchingOptions options;
    options.site = site;
    const PatchPair pair{prompt.at("ids"), patching.at("corrupt_ids"), {{prompt.at("answer")}, {prompt.at("wrong")}}};
    const auto result = patch_activations(*engine, {pair}, options);
    ASSERT_TRUE(result.ok()) << result.error().to_string();
    const double clean = patching.at("clean"), corrupt = patching.at("corrupt");
    EXPECT_NEAR(result->clean[0], clean, tolerance);
    EXPECT_NEAR(result->corrupt[0], corrupt, tolerance);
    const Table expected = patching.at(name);
    const auto columns = static_cast<std::size_t>(result->n_positions * result->n_heads);
    ASSERT_EQ(expected[0].size(), columns);
    for (std::size_t layer = 0; layer < 30; ++layer) {
      for (std::size_t column = 0; column < columns; ++column) {
        const std::size_t at = layer * columns + column;
        EXPECT_NEAR(result->patched[at], expected[layer][column], tolerance) << name << " " << layer << " " << column;
        EXPECT_NEAR(result->restored[at], (expected[layer][column] - corrupt) / (clean - corrupt), tolerance);
      }
    }
  }

  inline static nlohmann::json golden;
  inline static std::unique_ptr<Engine> engine;
};

TEST_F(SmolLm2, ZeroAblationOfEveryHead) { expect_effects({}, 3, "zero"); }

TEST_F(SmolLm2, ZeroAblationByPhase) {
  HeadAblationOptions options;
  options.phase = Phase::decode;
  expect_first(options, "zero_decode");
  options.phase = Phase::prefill;
  expect_first(options, "zero_prefill");
}

TEST_F(SmolLm2, MeanAblation) {
  HeadAblationOptions options;
  options.method = AblationMethod::mean;
  for (const AblationPrompt& prompt : prompts(3))
    options.reference.push_back(prompt.tokens);
  expect_first(options, "mean");
}

TEST_F(SmolLm2, ResampleAblation) {
  HeadAblationOptions options;
  options.method = AblationMethod::resample;
  options.reference = {prompts(2)[1].tokens};
  expect_first(options, "resample");
}

TEST_F(SmolLm2, ResidualPatching) { expect_patched(HookPoint::resid_pre, "resid_pre"); }

TEST_F(SmolLm2, HeadPatching) { expect_patched(HookPoint::z, "z"); }

TEST_F(SmolLm2, PromptsOfTheTaskAreAlignedAndMostlyAnswered) {
  const Tokenizer& tokenizer = *engine->model().tokenizer;
  const auto task = make_ioi_task(tokenizer, {.count = 24, .seed = 2});
  ASSERT_TRUE(task.ok()) << task.error().to_string();
  HeadAblationOptions options;
  options.heads = {{0, 0}};
  const auto result = ablate_heads(*engine, ablation_prompts(*task), options);
  ASSERT_TRUE(result.ok());
  int right = 0;
  for (const double clean : result->clean)
    right += clean > 0 ? 1 : 0;
  EXPECT_GE(right, 20);
}

} // namespace
} // namespace headscope
