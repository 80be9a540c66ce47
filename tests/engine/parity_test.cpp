// SPDX-License-Identifier: GPL-3.0-or-later
// Logits and every hook point against transformers, for a random model of every architecture.
#include "tests/engine/golden.h"

namespace headscope {
namespace {

constexpr double logit_tolerance = 2e-4; // float32, the project's promise
constexpr double hook_tolerance = 2e-4;

class Parity : public testing::TestWithParam<std::string> {};

TEST_P(Parity, LogitsAndEveryHookPoint) {
  const Engine engine(load_golden(GetParam()));
  Tensors golden = read_golden(GetParam());
  RunRequest request;
  request.batch = batch_of(golden.at("tokens"));
  for (const HookSite& site : hook_sites(engine.config()))
    if (golden.count(hook_name(site))) request.capture.push_back(site);
  const auto result = engine.run(request);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  const double error = max_error(result->logits, golden.at("logits"));
  std::printf("[ MEASURED ] %s logits %.2g\n", GetParam().c_str(), error);
  EXPECT_LT(error, logit_tolerance);
  std::size_t compared = 0;
  for (const auto& [name, reference] : golden) {
    if (name.find("hook_") == std::string::npos) continue;
    const auto site = parse_hook_name(name, engine.config());
    ASSERT_TRUE(site.ok()) << site.error().to_string();
    const auto value = result->cache.get(*site);
    ASSERT_TRUE(value.ok()) << name;
    EXPECT_LT(max_error(*value, reference), hook_tolerance) << name;
    ++compared;
  }
  EXPECT_GE(compared, 8u * static_cast<std::size_t>(engine.config().n_layers));
}

// Without hooks, other code is run: fused attention and plain norms.
TEST_P(Parity, LogitsWithNothingLookedAt) {
  const Engine engine(load_golden(GetParam()));
  Tensors golden = read_golden(GetParam());
  RunRequest request;
  request.batch = batch_of(golden.at("tokens"));
  const auto all = engine.run(request);
  ASSERT_TRUE(all.ok()) << all.error().to_string();
  EXPECT_LT(max_error(all->logits, golden.at("logits")), logit_tolerance);
  request.until = LogitRows::last;
  const auto last = engine.run(request);
  ASSERT_TRUE(last.ok());
  EXPECT_LT(max_error(last->logits, golden.at("logits").select(1, golden.at("logits").size(1) - 1)), logit_tolerance);
}

INSTANTIATE_TEST_SUITE_P(Architectures, Parity,
                         testing::Values("gpt2", "gpt_neox", "gpt_neox_serial", "llama", "llama_mqa", "llama_linear",
                                         "llama_dynamic", "llama_llama3", "llama_yarn", "mistral", "qwen2", "qwen3",
                                         "gemma", "gemma2", "gemma3", "gemma3_linear", "opt", "attn_only",
                                         "hooked_mlp"),
                         [](const auto& test) { return test.param; });

TEST(Checkpoints, ShardsGiveTheSameLogits) {
  Tensors golden = read_golden("llama");
  RunRequest request;
  request.batch = batch_of(golden.at("tokens"));
  const auto result = Engine(load_golden("llama_sharded")).run(request);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_LT(max_error(result->logits, golden.at("logits")), logit_tolerance);
}

// A 16-bit run is as near to the float32 truth as transformers' own 16-bit run is, within a factor.
class HalfPrecision : public testing::TestWithParam<std::tuple<std::string, at::ScalarType>> {};

TEST_P(HalfPrecision, IsNoWorseThanTransformers) {
  const auto& [name, dtype] = GetParam();
  LoadOptions options;
  options.dtype = dtype;
  const Engine engine(load_golden(name, options));
  Tensors golden = read_golden(name);
  RunRequest request;
  request.batch = batch_of(golden.at("tokens"));
  const auto result = engine.run(request);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  const at::Tensor truth = golden.at("logits");
  const at::Tensor theirs = golden.at(dtype == at::kHalf ? "logits_float16" : "logits_bfloat16");
  const double ours = (result->logits.to(at::kCPU, at::kFloat) - truth).norm().item<double>();
  const double reference = (theirs - truth).norm().item<double>();
  std::printf("[ MEASURED ] %s %s error norm %.3g, transformers %.3g\n", name.c_str(), c10::toString(dtype), ours,
              reference);
  EXPECT_LT(ours, 1.5 * reference);
  EXPECT_GT(ours, 0.0);
}

INSTANTIATE_TEST_SUITE_P(Dtypes, HalfPrecision,
                         testing::Combine(testing::Values("gpt2", "llama", "gemma3"),
                                          testing::Values(at::kBFloat16, at::kHalf)),
                         [](const auto& test) {
                           return std::get<0>(test.param) + (std::get<1>(test.param) == at::kHalf ? "_f16" : "_bf16");
                         });

} // namespace
} // namespace headscope
