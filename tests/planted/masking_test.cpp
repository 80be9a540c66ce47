// SPDX-License-Identifier: GPL-3.0-or-later
// Masking the planted retrieval heads removes the model's answers; masking as many other heads does not.
#include <algorithm>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "core/prompts/masking_tasks.h"
#include "core/sweeps/masking.h"
#include "tests/planted/evaluate.h"

namespace headscope::test {
namespace {

class PlantedMasking : public testing::Test {
protected:
  static void SetUpTestSuite() {
    at::set_num_threads(1);
    plant::PlantOptions options;
    options.seed = 5;
    options.layers = 6;
    options.heads = 8;
    model = std::make_unique<PlantedModel>(options);
    NeedleTaskOptions needle;
    needle.length_max = 300;
    needle.lengths = 1;
    needle.depths = 2;
    tasks = expect_value(needle_tasks(*model->engine().model().tokenizer, generated_haystack(3, 4000), needle));
    for (const auto& [layer, head] : model->planted(plant::Kind::retrieval))
      ranking.push_back({layer, head});
  }
  static void TearDownTestSuite() { model.reset(); }

  static MaskingResult mask(MaskMethod method, Phase phase) {
    MaskingOptions options;
    options.method = method;
    options.phase = phase;
    options.counts = {std::ssize(ranking)};
    options.seeds = 3;
    options.new_tokens = 20;
    return expect_value(run_masking(model->engine(), tasks, ranking, options));
  }

  static inline std::unique_ptr<PlantedModel> model;
  static inline std::vector<MaskPrompt> tasks;
  static inline std::vector<HeadId> ranking;
};

TEST_F(PlantedMasking, WithoutRetrievalHeadsTheNeedleIsNotSaid) {
  for (const MaskMethod method : {MaskMethod::uniform, MaskMethod::zero, MaskMethod::mean, MaskMethod::needle}) {
    const MaskingResult result = mask(method, Phase::decode);
    ASSERT_TRUE(result.complete);
    EXPECT_EQ(result.mean(0), 1.0) << to_string(method);
    EXPECT_LT(result.mean(result.strongest(0)), 0.35) << to_string(method);
  }
}

TEST_F(PlantedMasking, HidingTheNeedleFromOthersChangesNothing) {
  EXPECT_EQ(mask(MaskMethod::needle, Phase::decode).control_mean(0), 1.0);
}

// Processing the prompt before the answer begins does not need them.
TEST_F(PlantedMasking, TheirPrefillDoesNotMatter) {
  EXPECT_EQ(mask(MaskMethod::zero, Phase::prefill).mean(2 - 1), 1.0);
}

TEST_F(PlantedMasking, AnInterruptedOneKeepsWhatItHas) {
  MaskingOptions options;
  options.counts = {1};
  options.new_tokens = 5;
  RunControl context;
  int reports = 0;
  context.progress = [&](const Progress&) {
    if (++reports == 2) context.cancel.cancel();
  };
  const MaskingResult result = expect_value(run_masking(model->engine(), tasks, ranking, options, context));
  EXPECT_FALSE(result.complete);
  EXPECT_FALSE(std::isnan(result.scores[0]));
  EXPECT_TRUE(std::isnan(result.scores[tasks.size() - 1]));
}

} // namespace
} // namespace headscope::test
