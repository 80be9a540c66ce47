// SPDX-License-Identifier: GPL-3.0-or-later
// Folders that differ from what transformers writes: Headscope must compute what transformers computes from them.
#include "tests/engine/golden.h"

namespace headscope {
namespace {

class Variants : public testing::TestWithParam<std::string> {};

TEST_P(Variants, LogitsAreThoseOfTransformers) {
  Tensors golden = read_golden("variants");
  const Engine engine(load_golden("variants/" + GetParam()));
  RunRequest request;
  request.batch = batch_of(golden.at(GetParam() + ".tokens"));
  const auto result = engine.run(request);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  const double error = max_error(result->logits, golden.at(GetParam() + ".logits"));
  std::printf("[ MEASURED ] %s logits %.2g\n", GetParam().c_str(), error);
  EXPECT_LT(error, 2e-4); // float32, the project's promise
}

INSTANTIATE_TEST_SUITE_P(Folders, Variants,
                         testing::Values("gpt2_untied", "gpt2_tie_unsaid", "llama_biases", "llama_biases_unread",
                                         "llama_window_unread", "llama_share_unread", "llama_other_head",
                                         "llama_two_ropes", "llama_yarn_by_length", "mistral_types", "qwen2_windows",
                                         "qwen3_biases", "qwen3_head_unsaid", "gemma_relu", "gemma_old_gelu",
                                         "gemma2_unsaid", "gemma2_no_caps", "gemma3_caps", "gemma3_flat_rope",
                                         "gemma3_scaled", "neox_odd_share", "neox_no_biases", "neox_fields_unread",
                                         "neox_dynamic", "opt_no_biases", "opt_plain_norms", "opt_no_final_norm"),
                         [](const auto& test) { return test.param; });

TEST(VariantConfigs, AWindowThatTheConfigLeavesOut) {
  EXPECT_EQ(load_golden("variants/gemma2_unsaid")->config.layers.at(0).window, 4096);
}

} // namespace
} // namespace headscope
