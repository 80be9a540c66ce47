// SPDX-License-Identifier: GPL-3.0-or-later
// The packaged models against transformers on the same dequantised weights.
#include <filesystem>

#include "tests/engine/golden.h"

namespace headscope {
namespace {

class RealModel : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(RealModel, LogitsAndHookPointsEqualTransformers) {
  const auto [name, file] = GetParam();
  const std::string path = std::string(HEADSCOPE_SOURCE_DIR) + "/build/models/" + file;
  ASSERT_TRUE(std::filesystem::exists(path)) << path << " is missing; run scripts/fetch-models";
  const auto model = load_model(path, {});
  ASSERT_TRUE(model.ok()) << model.error().to_string();
  const Engine engine(*model);
  Tensors golden = read_golden(name);
  double worst = 0.0;
  for (int i = 0; i < 3; ++i) {
    RunRequest request;
    request.batch = batch_of(golden.at("tokens_" + std::to_string(i)));
    request.until = LogitRows::last;
    const auto result = engine.run(request);
    ASSERT_TRUE(result.ok()) << result.error().to_string();
    worst = std::max(worst, max_error(result->logits[0], golden.at("logits_" + std::to_string(i))));
  }
  std::printf("[ MEASURED ] %s logits %.2g\n", name, worst);
  EXPECT_LT(worst, 2e-4);

  RunRequest request;
  request.batch = batch_of(golden.at("tokens_0"));
  request.until = LogitRows::last;
  std::map<std::string, at::Tensor> wanted;
  for (const auto& [key, value] : golden)
    if (key.find("hook_") != std::string::npos) wanted[key] = value;
  for (const auto& [key, value] : wanted) {
    const auto site = parse_hook_name(key.rfind("last.", 0) == 0 ? key.substr(5) : key, engine.config());
    ASSERT_TRUE(site.ok()) << site.error().to_string();
    request.capture.push_back(*site);
  }
  const auto result = engine.run(request);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  ASSERT_GT(wanted.size(), 60u);
  for (const auto& [key, value] : wanted) {
    const bool last = key.rfind("last.", 0) == 0;
    at::Tensor ours = *result->cache.get(*parse_hook_name(last ? key.substr(5) : key, engine.config()));
    if (last) ours = ours[0][-1];
    // Activations of real models reach thousands, so errors are relative to the largest.
    const at::Tensor finite = value.masked_select(value.isfinite());
    const double scale = std::max(1.0, finite.abs().max().item<double>());
    EXPECT_LT(max_error(ours, value) / scale, 5e-5) << key << " of size " << scale;
  }
}

INSTANTIATE_TEST_SUITE_P(Packaged, RealModel,
                         testing::Values(std::pair("smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),
                                         std::pair("gemma3-270m", "gemma-3-270m-q4_k_m.gguf")),
                         [](const auto& test) {
                           return std::string(test.param.first) == "smollm2" ? "SmolLM2" : "Gemma3";
                         });

// The numbers that the project's definitions give for SmolLM2.
TEST(SmolLm2, PublishedLogits) {
  const auto model =
      load_model(std::string(HEADSCOPE_SOURCE_DIR) + "/build/models/SmolLM2-135M-Instruct.Q4_1.gguf", {});
  ASSERT_TRUE(model.ok()) << model.error().to_string();
  const Engine engine(*model);
  RunRequest request;
  request.batch = TokenBatch::single({504, 3575, 282, 4649, 314});
  request.until = LogitRows::last;
  const auto result = engine.run(request);
  ASSERT_TRUE(result.ok());
  const auto [values, ids] = result->logits[0].topk(5);
  const double expected[] = {17.3713, 14.8886, 13.2450, 13.0095, 12.9515};
  for (int i = 0; i < 5; ++i)
    EXPECT_NEAR(values[i].item<double>(), expected[i], 2e-4);
  EXPECT_EQ((*model)->tokenizer->piece(ids[0].item<std::int64_t>()), "\xC4\xA0Paris");

  const auto hello = (*model)->tokenizer->encode("Hello world!");
  request.batch = TokenBatch::single(*hello);
  request.until = LogitRows::all;
  const at::Tensor logits = engine.run(request)->logits[0];
  const at::Tensor targets = at::tensor(*hello, at::kLong).slice(0, 1);
  const double loss = -logits.log_softmax(-1).slice(0, 0, -1).gather(1, targets.unsqueeze(1)).mean().item<double>();
  EXPECT_NEAR(loss, 8.39217, 1e-3);
}

} // namespace
} // namespace headscope
