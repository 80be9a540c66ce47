// SPDX-License-Identifier: GPL-3.0-or-later
// Attention statistics of a run: against sums over the patterns that transformers gives for the same models, and
// against a dense softmax in double precision at 2,048 tokens.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "core/engine/cuda_module.h"
#include "core/engine/device.h"
#include "core/engine/tile_statistics.h"
#include "tests/engine/golden.h"

namespace headscope {
namespace {

AttentionStatisticsRequest everything(std::int64_t keys, std::map<int, AttentionStatistics>& found) {
  AttentionStatisticsRequest request;
  request.key_sum = request.entropy = true;
  request.distances = {0, 1, keys / 2};
  request.spans = {{0, 2}, {keys / 3, keys}, {keys, keys + 5}};
  request.top_k = 3;
  request.pool_block = 64;
  request.done = [&found](const AttentionStatistics& statistics) { found[statistics.layer] = statistics; };
  return request;
}

// Computes everything plainly from the whole pattern [batch, head, query, key], with query 0 at slot `offset`.
AttentionStatistics by_hand(const AttentionStatisticsRequest& request, const at::Tensor& pattern, std::int64_t offset) {
  const at::Tensor a = pattern.to(at::kDouble);
  const std::int64_t queries = a.size(2), keys = a.size(3), block = request.pool_block;
  AttentionStatistics expected;
  expected.key_sum = a.sum(2);
  expected.sink_mass = expected.key_sum.clone();
  for (std::int64_t k = 0; k < keys; ++k)
    expected.sink_mass.select(2, k) /= static_cast<double>(std::min(queries, keys - k));
  expected.entropy = -at::xlogy(a, a).sum(3);
  std::vector<at::Tensor> stripes, spans;
  for (const std::int64_t distance : request.distances) {
    at::Tensor sum = at::zeros({a.size(0), a.size(1)}, a.options());
    std::int64_t count = 0;
    for (std::int64_t q = 0; q < queries; ++q)
      if (offset + q >= distance) {
        sum += a.select(2, q).select(2, offset + q - distance);
        ++count;
      }
    stripes.push_back(sum / static_cast<double>(std::max<std::int64_t>(count, 1)));
  }
  expected.stripe = at::stack(stripes, 2);
  for (const kernels::KeySpan& span : request.spans)
    spans.push_back(a.slice(3, span.begin, span.end).sum(3));
  expected.span_mass = at::stack(spans, 2);
  expected.top_weight = std::get<0>(a.topk(request.top_k, 3));
  const std::int64_t rows = (queries + block - 1) / block, columns = (keys + block - 1) / block;
  expected.pool_sum = at::zeros({a.size(0), a.size(1), rows, columns}, a.options());
  expected.pool_max = expected.pool_sum.clone();
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) {
      const at::Tensor cell = a.slice(2, r * block, (r + 1) * block).slice(3, c * block, (c + 1) * block);
      expected.pool_sum.select(2, r).select(2, c) = cell.sum(at::IntArrayRef{2, 3});
      expected.pool_max.select(2, r).select(2, c) = cell.amax(at::IntArrayRef{2, 3});
    }
  return expected;
}

// The largest |a - b| / (|b| + floor).
double relative(const at::Tensor& a, const at::Tensor& b, double floor = 1e-3) {
  if (a.sizes() != b.sizes()) return INFINITY;
  const at::Tensor x = a.cpu().to(at::kDouble), y = b.cpu().to(at::kDouble);
  return ((x - y).abs() / (y.abs() + floor)).max().item<double>();
}

void expect_near(const AttentionStatistics& got, const AttentionStatistics& expected, double tolerance) {
  EXPECT_LT(relative(got.key_sum, expected.key_sum), tolerance);
  EXPECT_LT(relative(got.sink_mass, expected.sink_mass), tolerance);
  // The first query has one key and no entropy, to about 1e-8, so entropies below 0.1 nats are compared absolutely.
  EXPECT_LT(relative(got.entropy, expected.entropy, 0.1), tolerance);
  EXPECT_LT(relative(got.stripe, expected.stripe), tolerance);
  EXPECT_LT(relative(got.span_mass, expected.span_mass), tolerance);
  EXPECT_LT(relative(got.top_weight, expected.top_weight), tolerance);
  EXPECT_LT(relative(got.pool_sum, expected.pool_sum), tolerance);
  EXPECT_LT(relative(got.pool_max, expected.pool_max), tolerance);
}

// Checks that the listed keys have the listed weights.
void expect_keys(const AttentionStatistics& got, const at::Tensor& pattern, double tolerance) {
  const at::Tensor named = pattern.cpu().to(at::kDouble).gather(3, got.top_key.cpu().to(at::kLong).clamp_min(0));
  const at::Tensor weight = at::where(got.top_key.cpu() >= 0, named, at::zeros_like(named));
  EXPECT_LT(relative(got.top_weight, weight), tolerance);
}

class Statistics : public testing::TestWithParam<std::string> {};

TEST_P(Statistics, EqualSumsOverThePatternsOfTransformers) {
  const Engine engine(load_golden(GetParam()));
  Tensors golden = read_golden(GetParam());
  std::map<int, AttentionStatistics> by_kernels, by_tiles;
  const auto request = everything(golden.at("tokens").size(1), by_kernels);
  RunRequest run;
  run.batch = batch_of(golden.at("tokens"));
  run.statistics = &request;
  ASSERT_TRUE(engine.run(run).ok());
  const auto again = everything(golden.at("tokens").size(1), by_tiles);
  run.statistics = &again;
  run.capture = {*parse_hook_name("blocks.0.attn.hook_pattern", engine.config()),
                 *parse_hook_name("blocks.1.attn.hook_pattern", engine.config())}; // these layers go by tiles
  ASSERT_TRUE(engine.run(run).ok());
  for (const int layer : {0, 1}) {
    const at::Tensor pattern = golden.at("blocks." + std::to_string(layer) + ".attn.hook_pattern");
    const AttentionStatistics expected = by_hand(request, pattern, 0);
    for (const auto* found : {&by_kernels, &by_tiles}) {
      ASSERT_EQ(found->count(layer), 1u);
      expect_near(found->at(layer), expected, 1e-4); // the models agree to about 1e-5
      expect_keys(found->at(layer), pattern, 1e-4);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, Statistics, testing::Values("gpt2", "llama", "llama_mqa", "mistral", "gemma2"),
                         [](const auto& test) { return test.param; });

// A prompt in two parts with a KV cache, or with padding on the left, gives the same as without.
TEST(StatisticsOfARun, KnowPaddingAndTheCache) {
  const Engine engine(load_golden("llama"));
  const at::Tensor tokens = read_golden("llama").at("tokens").slice(0, 0, 1);
  const std::int64_t length = tokens.size(1), pad = 5, first = 11;
  std::map<int, AttentionStatistics> whole, padded, second;
  const auto run = [&](const at::Tensor& part, std::int64_t left, KvCache* cache,
                       std::map<int, AttentionStatistics>& found) {
    AttentionStatisticsRequest statistics = everything(length + left, found);
    statistics.distances = {1, 4};
    RunRequest request;
    request.batch = batch_of(part);
    if (left > 0) request.batch.left_pad = {left};
    if (cache) request.past = KvPast::append_to(*cache);
    request.statistics = &statistics;
    ASSERT_TRUE(engine.run(request).ok());
  };
  run(tokens, 0, nullptr, whole);
  run(at::constant_pad_nd(tokens, {pad, 0}, 0), pad, nullptr, padded);
  KvCache cache;
  std::map<int, AttentionStatistics> unused;
  run(tokens.slice(1, 0, first), 0, &cache, unused);
  run(tokens.slice(1, first), 0, &cache, second);
  for (const auto& [layer, all] : whole) {
    const AttentionStatistics& shifted = padded.at(layer);
    EXPECT_LT(relative(shifted.key_sum.slice(2, pad), all.key_sum), 1e-4);
    EXPECT_EQ(shifted.key_sum.slice(2, 0, pad).abs().max().item<double>(), 0.0);
    EXPECT_LT(relative(shifted.sink_mass.slice(2, pad), all.sink_mass), 1e-4);
    EXPECT_LT(relative(shifted.entropy.slice(2, pad), all.entropy), 1e-4);
    EXPECT_LT(relative(shifted.stripe, all.stripe), 1e-4);
    const AttentionStatistics& later = second.at(layer);
    EXPECT_LT(relative(later.entropy, all.entropy.slice(2, first)), 1e-4);
    EXPECT_LT(relative(later.top_weight, all.top_weight.slice(2, first)), 1e-4);
    EXPECT_EQ(later.sink_mass.size(2), length);
  }
}

// Statistics are those of the pattern after interventions.
TEST(StatisticsOfARun, FollowInterventions) {
  const Engine engine(load_golden("gpt2"));
  const at::Tensor tokens = read_golden("gpt2").at("tokens");
  std::map<int, AttentionStatistics> found;
  const auto statistics = everything(tokens.size(1), found);
  RunRequest request;
  request.batch = batch_of(tokens);
  request.statistics = &statistics;
  request.hooks = {{*parse_hook_name("blocks.1.attn.hook_pattern", engine.config()),
                    [](HookSite, at::Tensor pattern) { return at::eye(pattern.size(2)).expand_as(pattern); }}};
  ASSERT_TRUE(engine.run(request).ok());
  EXPECT_EQ(found.at(1).stripe.select(2, 0).min().item<double>(), 1.0);
  EXPECT_EQ(found.at(1).entropy.abs().max().item<double>(), 0.0);
  EXPECT_LT(found.at(0).stripe.select(2, 0).min().item<double>(), 1.0);
}

TEST(StatisticsOfARun, RefuseWhatTheKernelsCannotHold) {
  const Engine engine(load_golden("gpt2"));
  std::map<int, AttentionStatistics> found;
  auto statistics = everything(18, found);
  RunRequest request;
  request.batch = batch_of(read_golden("gpt2").at("tokens"));
  request.statistics = &statistics;
  statistics.top_k = 17;
  EXPECT_EQ(engine.run(request).error().code, ErrorCode::invalid_argument);
  statistics.top_k = 16;
  statistics.pool_block = 100;
  EXPECT_EQ(engine.run(request).error().code, ErrorCode::invalid_argument);
  statistics.pool_block = 0;
  statistics.spans = {{5, 4}};
  EXPECT_EQ(engine.run(request).error().code, ErrorCode::invalid_argument);
}

AttentionInput random_input(std::int64_t tokens, const at::TensorOptions& options) {
  const at::Generator generator = at::detail::createCPUGenerator(7);
  const auto random = [&](std::int64_t heads) {
    return at::randn({1, tokens, heads, 64}, generator, at::TensorOptions().dtype(at::kFloat)).to(options);
  };
  AttentionInput in;
  in.q = random(4), in.k = random(2), in.v = random(2);
  in.scale = 0.125;
  return in;
}

at::Tensor dense_pattern(const AttentionInput& in) {
  const std::int64_t tokens = in.q.size(1);
  const at::Tensor q = in.q.cpu().to(at::kDouble).transpose(1, 2);
  const at::Tensor k = in.k.cpu().to(at::kDouble).repeat_interleave(2, 2).transpose(1, 2);
  const at::Tensor hidden = at::ones({tokens, tokens}, at::kBool).triu(1);
  return at::softmax((at::matmul(q, k.transpose(2, 3)) * in.scale).masked_fill(hidden, -INFINITY), -1);
}

void expect_equal_to_dense(const at::TensorOptions& options, double tolerance) {
  std::map<int, AttentionStatistics> found;
  const auto request = everything(2048, found);
  const AttentionInput in = random_input(2048, options);
  run_with_statistics(default_attention(), in, request);
  const at::Tensor pattern = dense_pattern(in);
  expect_near(found.at(0), by_hand(request, pattern, 0), tolerance);
  expect_keys(found.at(0), pattern, tolerance);
}

TEST(StatisticsOfARun, EqualTheDenseComputationAt2048Tokens) {
  expect_equal_to_dense(at::TensorOptions().dtype(at::kFloat), 1e-5);
  expect_equal_to_dense(at::TensorOptions().dtype(at::kBFloat16), 1e-3);
}

TEST(StatisticsOfARun, EqualTheDenseComputationOnTheGpu) {
  const auto device = open_device("cuda");
  if (!device.ok()) GTEST_SKIP() << "needs a GPU: " << device.error().to_string();
  ASSERT_NE(cuda_module(), nullptr) << "libheadscope_cuda.so is not beside the program or in ../lib";
  for (const auto type : {at::kFloat, at::kBFloat16, at::kHalf})
    expect_equal_to_dense(at::TensorOptions().dtype(type).device(*device), type == at::kFloat ? 1e-5 : 1e-3);
}

// Compares the sums that torch's attention returns with those of our own first pass.
TEST(StatisticsOfARun, TakeTheSumsOfTheForward) {
  const auto device = open_device("cuda");
  if (!device.ok()) GTEST_SKIP() << "needs a GPU: " << device.error().to_string();
  for (const auto type : {at::kFloat, at::kBFloat16, at::kHalf}) {
    AttentionInput in = random_input(1000, at::TensorOptions().dtype(type).device(*device));
    const auto both = attention_and_sums(in);
    ASSERT_TRUE(both) << type;
    EXPECT_TRUE(both->z.equal(default_attention().run(in))) << type;
    const at::Tensor hidden = at::ones({1000, 1000}, at::kBool).triu(1);
    const at::Tensor q = in.q.cpu().to(at::kDouble).transpose(1, 2);
    const at::Tensor k = in.k.cpu().to(at::kDouble).repeat_interleave(2, 2).transpose(1, 2);
    const at::Tensor scores = (at::matmul(q, k.transpose(2, 3)) * in.scale).masked_fill(hidden, -INFINITY);
    EXPECT_LT(max_error(both->log_sum_exp, scores.logsumexp(-1)), 1e-5) << type;
    in.mask.window = 100;
    EXPECT_FALSE(attention_and_sums(in)) << type;
    in.mask.window.reset();
    in.softcap = 30.0;
    EXPECT_FALSE(attention_and_sums(in)) << type;
  }
}

// Tiles of any height add up to the same.
TEST(TileStatisticsTest, DoNotDependOnTheTiles) {
  const AttentionInput in = random_input(150, at::TensorOptions().dtype(at::kFloat));
  std::map<int, AttentionStatistics> found;
  const auto request = everything(150, found);
  const at::Tensor pattern = dense_pattern(in).to(at::kFloat);
  TileStatistics tiles(in, request);
  for (std::int64_t begin = 0; begin < 150; begin += 37)
    tiles.add({0, begin, pattern.slice(2, begin, begin + 37)});
  AttentionStatistics got = tiles.finish();
  got.sink_mass = by_hand(request, pattern, 0).sink_mass; // not made from tiles
  expect_near(got, by_hand(request, pattern, 0), 1e-5);
}

TEST(CoarserMaps, KeepSumsAndMaxima) {
  const at::Tensor map = at::arange(1, 10, at::kFloat).view({1, 1, 3, 3});
  EXPECT_TRUE(coarser_sum(map).equal(at::tensor({12.0F, 9.0F, 15.0F, 9.0F}).view({1, 1, 2, 2})));
  EXPECT_TRUE(coarser_max(map).equal(at::tensor({5.0F, 6.0F, 8.0F, 9.0F}).view({1, 1, 2, 2})));
}

} // namespace
} // namespace headscope
