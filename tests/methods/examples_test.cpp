// SPDX-License-Identifier: GPL-3.0-or-later
// The texts that respond most, against activations that transformers gives, and by brute force.
#include "core/analysis/top_examples.h"

#include <algorithm>
#include <random>

#include "tests/engine/golden.h"

namespace headscope {
namespace {

constexpr double tolerance = 2e-4;

TokenRows golden_rows(const Tensors& golden) {
  TokenRows rows;
  for (std::int64_t i = 0; i < 2; ++i) {
    const at::Tensor row = golden.at("tokens")[i];
    rows.emplace_back(row.const_data_ptr<std::int64_t>(), row.const_data_ptr<std::int64_t>() + row.numel());
  }
  return rows;
}

// Texts of several lengths; some are there twice.
TokenRows many_texts() {
  std::mt19937 random(5);
  TokenRows texts;
  for (std::size_t i = 0; i < 40; ++i) {
    std::vector<std::int64_t>& text = texts.emplace_back();
    for (std::size_t length = 1 + random() % 20; text.size() < length;)
      text.push_back(static_cast<std::int64_t>(random() % 101));
  }
  texts[30] = texts[3];
  texts[31] = texts[4];
  return texts;
}

class Responds : public testing::TestWithParam<std::string> {
protected:
  void expect_values(const Response& response, const at::Tensor& wanted) { // wanted: [2, 18]
    const auto found = strongest_examples(engine, response, golden_rows(golden), {});
    ASSERT_TRUE(found.ok()) << found.error().to_string();
    ASSERT_EQ(found->top.size(), 2u);
    for (const ExampleText& one : found->top) {
      EXPECT_LT(max_error(at::tensor(one.values), wanted[one.text]), tolerance);
      EXPECT_EQ(one.peak, wanted[one.text].argmax().item<std::int64_t>());
    }
    EXPECT_NEAR(found->top[0].value, wanted.max().item<double>(), tolerance);
    EXPECT_NEAR(found->positive, wanted.gt(0).to(at::kDouble).mean().item<double>(), 1e-9);
  }

  Engine engine = Engine(load_golden(GetParam()));
  Tensors golden = read_golden(GetParam());
};

TEST_P(Responds, Neurons) { expect_values(neuron_response(1, 7), golden.at("blocks.1.mlp.hook_post").select(-1, 7)); }

TEST_P(Responds, Heads) {
  expect_values(head_response(engine.model(), {1, 2}), golden.at("blocks.1.attn.hook_result").select(2, 2).norm(2, -1));
}

TEST_P(Responds, Directions) {
  const at::Tensor direction = at::linspace(-1, 1, engine.config().d_model, at::kFloat);
  for (const HookSite site : {HookSite{HookPoint::resid_post, 0}, HookSite{HookPoint::final_normalized, -1}})
    expect_values(direction_response(site, direction), golden.at(hook_name(site)).matmul(direction));
}

struct Strength {
  float value;
  std::int64_t text, peak;
};

TEST_P(Responds, TheStrongestOfManyByBruteForce) {
  const TokenRows texts = many_texts();
  const std::int64_t skip = 2;
  std::vector<Strength> all;
  std::vector<float> counted;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    RunRequest run;
    run.batch = TokenBatch::single(texts[i]);
    run.capture = {{HookPoint::mlp_post, 1}};
    const auto result = engine.run(run);
    ASSERT_TRUE(result.ok());
    const at::Tensor row = result->cache.get(run.capture[0])->select(-1, 5)[0].to(at::kCPU).contiguous();
    const std::vector<float> values(row.const_data_ptr<float>(), row.const_data_ptr<float>() + row.numel());
    if (std::ssize(values) <= skip) continue;
    counted.insert(counted.end(), values.begin() + skip, values.end());
    const auto peak = std::max_element(values.begin() + skip, values.end());
    all.push_back({*peak, static_cast<std::int64_t>(i), peak - values.begin()});
  }
  std::stable_sort(all.begin(), all.end(), [](const Strength& a, const Strength& b) { return a.value > b.value; });
  ExamplesOptions options;
  options.top = 6;
  options.skip = skip;
  for (const std::int64_t budget : {1, 50, 10000}) {
    options.tokens_per_run = budget;
    const auto found = strongest_examples(engine, neuron_response(1, 5), texts, options);
    ASSERT_TRUE(found.ok()) << found.error().to_string();
    EXPECT_TRUE(found->complete);
    EXPECT_EQ(found->texts, std::ssize(texts));
    EXPECT_EQ(found->tokens, std::ssize(counted));
    ASSERT_EQ(found->top.size(), 6u);
    for (std::size_t rank = 0; rank < 6; ++rank) {
      // Where a text is there twice, either may come first, since batches round differently.
      EXPECT_NEAR(found->top[rank].value, all[rank].value, 1e-5);
      EXPECT_EQ(texts[static_cast<std::size_t>(found->top[rank].text)],
                texts[static_cast<std::size_t>(all[rank].text)]);
      EXPECT_EQ(found->top[rank].peak, all[rank].peak);
      EXPECT_EQ(found->top[rank].values.size(), texts[static_cast<std::size_t>(found->top[rank].text)].size());
    }
    for (std::size_t i = 0; i < options.quantiles.size(); ++i)
      EXPECT_NEAR(found->quantiles[i],
                  at::quantile(at::tensor(counted).to(at::kDouble), options.quantiles[i]).item<double>(), 1e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Responds, testing::Values("gpt2", "llama"),
                         [](const auto& test) { return test.param; });

TEST(Quantiles, LieBetweenNeighbours) {
  const std::vector<float> rising = {1, 2, 4, 8};
  EXPECT_DOUBLE_EQ(quantile_of(rising, 0.0), 1.0);
  EXPECT_DOUBLE_EQ(quantile_of(rising, 0.5), 3.0);
  EXPECT_DOUBLE_EQ(quantile_of(rising, 0.9), 6.8);
  EXPECT_DOUBLE_EQ(quantile_of(rising, 1.0), 8.0);
  EXPECT_TRUE(std::isnan(quantile_of({}, 0.5)));
}

TEST(ExampleTexts, KeepWhatWasMeasuredUntilTheyAreCancelled) {
  const Engine engine(load_golden("llama"));
  ExamplesOptions options;
  options.tokens_per_run = 3;
  RunControl control;
  control.progress = [&](const Progress& at) {
    if (at.done == 2) control.cancel.cancel();
  };
  const auto found =
      strongest_examples(engine, neuron_response(0, 0), {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}}, options, control);
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  EXPECT_FALSE(found->complete);
  EXPECT_EQ(found->texts, 2);
  EXPECT_EQ(found->tokens, 6);
  EXPECT_EQ(found->top.size(), 2u);
}

} // namespace
} // namespace headscope
