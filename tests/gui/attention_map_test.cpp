// SPDX-License-Identifier: GPL-3.0-or-later
// Tiles from kept q and k against the patterns of TransformerLens and transformers on the small models, and against
// the engine's own full pattern where the map has several tiles and levels.
#include <random>

#include "app/gui/engine/ablation_interventions.h"
#include "app/gui/engine/attention_map.h"
#include "app/gui/engine/attention_plan.h"
#include "app/gui/engine/layer_attention.h"
#include "core/mechanisms/plan.h"
#include "tests/engine/golden.h"

namespace headscope::gui {
namespace {

AttentionRequest request_of(std::vector<std::int64_t> tokens, std::vector<HeadId> heads) {
  return {std::make_shared<const std::vector<std::int64_t>>(std::move(tokens)), std::move(heads), {}, {}};
}

std::vector<std::int64_t> row_of(const at::Tensor& tokens, std::int64_t row) {
  const at::Tensor ids = tokens[row].contiguous();
  return {ids.data_ptr<std::int64_t>(), ids.data_ptr<std::int64_t>() + ids.numel()};
}

// `pattern` is [query, key] of one head. The tile's masked cells are where the pattern is 0 by the mask.
void expect_tile(const Tile& tile, const at::Tensor& pattern, double tolerance, const std::string& what) {
  const at::Tensor x = pattern.to(at::kFloat).contiguous();
  const Block block = tile_block({x.size(0), x.size(1)}, tile.key);
  ASSERT_EQ(tile.rows, block.rows()) << what;
  double worst = 0.0;
  for (std::int64_t r = 0; r < tile.rows; ++r)
    for (std::int64_t c = 0; c < tile.cols; ++c) {
      const std::int64_t q = block.q_begin + r, k = block.k_begin + c;
      const float weight = tile.at(r, c, Pooling::max);
      if (k > q) {
        ASSERT_EQ(weight, masked_weight) << what;
        continue;
      }
      worst = std::max(
          worst, std::abs(static_cast<double>(weight) - static_cast<double>(x.data_ptr<float>()[q * x.size(1) + k])));
    }
  EXPECT_LT(worst, tolerance) << what;
}

class GoldenMap : public testing::TestWithParam<const char*> {};

// Rotary and learned positions, K/V groups, sliding windows, soft caps, QK norm.
TEST_P(GoldenMap, EveryHeadOfEveryLayer) {
  EngineState state;
  state.engine = std::make_shared<const Engine>(load_golden(GetParam()));
  const Tensors golden = read_golden(GetParam());
  for (int layer = 0; layer < state.engine->config().n_layers; ++layer) {
    const auto pattern = golden.find("blocks." + std::to_string(layer) + ".attn.hook_pattern");
    ASSERT_NE(pattern, golden.end());
    for (std::int64_t row = 0; row < pattern->second.size(0); ++row)
      for (int head = 0; head < pattern->second.size(1); ++head) {
        const auto request = request_of(row_of(golden.at("tokens"), row), {{layer, head}});
        const auto tile = attention_tile(state, request, {}, {}, {});
        ASSERT_TRUE(tile.ok()) << tile.error().to_string();
        expect_tile(*tile, pattern->second[row][head], 2e-6, std::string(GetParam()) + " " + head_name({layer, head}));
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Small, GoldenMap,
                         testing::Values("attn_only", "gemma2", "gemma3", "gpt2", "gpt_neox", "llama_mqa", "llama_yarn",
                                         "mistral", "opt", "qwen3"));

TEST(AttentionMap, TheMeanOfHeadsOfSeveralLayers) {
  EngineState state;
  state.engine = std::make_shared<const Engine>(load_golden("llama"));
  const Tensors golden = read_golden("llama");
  const at::Tensor mean =
      (golden.at("blocks.0.attn.hook_pattern")[0][1] + golden.at("blocks.1.attn.hook_pattern")[0][2]) / 2;
  const auto tile = attention_tile(state, request_of(row_of(golden.at("tokens"), 0), {{0, 1}, {1, 2}}), {}, {}, {});
  ASSERT_TRUE(tile.ok()) << tile.error().to_string();
  expect_tile(*tile, mean, 2e-6, "mean");
}

// Against the pattern that the engine itself gives under the same ablation, and the clean one of transformers. Layer 0
// is as it was: what is ablated comes later.
TEST(AttentionMap, OfAnAblatedModel) {
  EngineState state;
  state.engine = std::make_shared<const Engine>(load_golden("llama"));
  const Tensors golden = read_golden("llama");
  const std::vector<std::int64_t> tokens = row_of(golden.at("tokens"), 0);
  for (const AblationMethod how : {AblationMethod::zero, AblationMethod::uniform}) {
    AttentionRequest request = request_of(tokens, {{1, 2}});
    request.ablation.heads = {{{0, 1}, how, Phase::both}, {{0, 3}, how, Phase::both}, {{1, 0}, how, Phase::both}};
    RunRequest run;
    run.batch = TokenBatch::single(tokens);
    const auto interventions = prompt_interventions(state, tokens, request.ablation, {});
    ASSERT_TRUE(interventions.ok()) << interventions.error().to_string();
    run.interventions = *interventions;
    run.capture = {{HookPoint::pattern, 1}};
    const auto ran = state.engine->run(run);
    ASSERT_TRUE(ran.ok()) << ran.error().to_string();
    const at::Tensor ablated = ran->cache.get({HookPoint::pattern, 1}).value()[0][2].to(at::kFloat);
    const at::Tensor clean = golden.at("blocks.1.attn.hook_pattern")[0][2].to(at::kFloat);
    ASSERT_GT((ablated - clean).abs().max().item<double>(), 1e-3);
    const auto tile = attention_tile(state, request, {}, {}, {});
    ASSERT_TRUE(tile.ok()) << tile.error().to_string();
    expect_tile(*tile, ablated, 2e-6, to_string(how));
    request.less = AttentionRequest::Less::clean;
    const auto difference = attention_tile(state, request, {}, {}, {});
    ASSERT_TRUE(difference.ok()) << difference.error().to_string();
    expect_tile(*difference, ablated - clean, 4e-6, to_string(how));
    AttentionRequest below = request_of(tokens, {{0, 2}});
    below.ablation = request.ablation;
    expect_tile(attention_tile(state, below, {}, {}, {}).value(), golden.at("blocks.0.attn.hook_pattern")[0][2], 2e-6,
                "below");
  }
}

// Longer than a clean run: layers are kept on the way up, and the run goes on from where it was.
class LongMap : public testing::TestWithParam<const char*> {
protected:
  void SetUp() override {
    auto model = std::make_shared<Model>(*load_golden(GetParam()));
    model->config.n_ctx = 4096; // their own context is too short for several tiles
    state.engine = std::make_shared<const Engine>(std::move(model));
    std::mt19937 random(11);
    const auto vocabulary = static_cast<unsigned>(state.engine->config().d_vocab);
    for (int i = 0; i < 1100; ++i)
      tokens.push_back(static_cast<std::int64_t>(random() % vocabulary));
  }

  at::Tensor pattern(int layer) {
    RunRequest request;
    request.batch = TokenBatch::single(tokens);
    request.capture = {{HookPoint::pattern, layer}};
    request.until = BeforeLayer{layer + 1};
    const auto run = state.engine->run(request);
    EXPECT_TRUE(run.ok()) << run.error().to_string();
    return (*run->cache.get({HookPoint::pattern, layer}))[0];
  }

  EngineState state;
  std::vector<std::int64_t> tokens;
};

TEST_P(LongMap, TilesAreThoseOfTheFullPattern) {
  for (const HeadId head : {HeadId{0, 1}, HeadId{1, 3}}) {
    const at::Tensor full = pattern(head.layer)[head.head];
    const AttentionRequest request = request_of(tokens, {head});
    for (const TileKey key : {TileKey{0, 4, 4}, TileKey{0, 3, 1}}) {
      const auto tile = attention_tile(state, request, key, {}, {});
      ASSERT_TRUE(tile.ok()) << tile.error().to_string();
      expect_tile(*tile, full, 2e-6, head_name(head));
    }
    EXPECT_FALSE(state.clean.has_value()) << "a long prompt must not keep logits of every token";
    // Pooled four by four with torch.
    const auto pooled = attention_tile(state, request, {2, 0, 0}, {}, {});
    ASSERT_TRUE(pooled.ok());
    const at::Tensor block = full.slice(0, 0, 1024).slice(1, 0, 1024).reshape({256, 4, 256, 4});
    const at::Tensor max = block.amax({1, 3}).contiguous(), mean = block.mean({1, 3}).contiguous();
    const float *max_of = max.data_ptr<float>(), *mean_of = mean.data_ptr<float>();
    for (std::int64_t r = 0; r < 256; r += 3)
      for (std::int64_t c = 0; c < r; ++c) { // below the diagonal a cell has all its 16 weights
        ASSERT_NEAR(pooled->at(r, c, Pooling::max), max_of[r * 256 + c], 2e-6);
        ASSERT_NEAR(pooled->at(r, c, Pooling::mean), mean_of[r * 256 + c], 2e-6);
      }
  }
}

TEST_P(LongMap, UnitsSumTheFullPattern) {
  const at::Tensor full = pattern(1)[0].to(at::kDouble);
  const auto mass = attention_units(state, request_of(tokens, {{1, 0}}), {0, 1, 700, 1099}, {});
  ASSERT_TRUE(mass.ok()) << mass.error().to_string();
  const double middle = full.slice(0, 700, 1099).slice(1, 1, 700).sum().item<double>() / 399;
  EXPECT_NEAR(mass->values[2 * 4 + 1], middle, 1e-5);
  for (std::size_t row = 0; row < 4; ++row) {
    double sum = 0.0;
    for (std::size_t col = 0; col <= row; ++col)
      sum += static_cast<double>(mass->values[row * 4 + col]);
    EXPECT_NEAR(sum, 1.0, 1e-4) << "a row of attention sums to one";
  }
}

INSTANTIATE_TEST_SUITE_P(Small, LongMap, testing::Values("llama", "gemma3"));

// Against the pattern of an engine whose own attention is the plan, and that of transformers for full attention.
TEST(AttentionMap, UnderAnAttentionPlan) {
  const std::string plan = "window:window=3@heads=1.2";
  EngineState state;
  state.engine = std::make_shared<const Engine>(load_golden("llama"));
  const std::shared_ptr<const Engine> full = state.engine;
  auto parsed = mechanisms::AttentionPlan::parse(plan, full->config(), mechanisms::MechanismList::built_in());
  ASSERT_TRUE(parsed.ok());
  const Engine planned(load_golden("llama"), *parsed);
  const Tensors golden = read_golden("llama");
  const std::vector<std::int64_t> tokens = row_of(golden.at("tokens"), 0);
  RunRequest run;
  run.batch = TokenBatch::single(tokens);
  run.capture = {{HookPoint::pattern, 1}};
  const auto ran = planned.run(run);
  ASSERT_TRUE(ran.ok()) << ran.error().to_string();
  const at::Tensor patterns = ran->cache.get({HookPoint::pattern, 1}).value()[0].to(at::kFloat);
  const at::Tensor golden_patterns = golden.at("blocks.1.attn.hook_pattern")[0].to(at::kFloat);
  ASSERT_GT((patterns[2] - golden_patterns[2]).abs().max().item<double>(), 1e-2);
  for (const int head : {1, 2}) { // of a head that the plan leaves alone, too
    AttentionRequest request = request_of(tokens, {{1, head}});
    request.plan = plan;
    const auto tile = attention_tile(state, request, {}, {}, {});
    ASSERT_TRUE(tile.ok()) << tile.error().to_string();
    expect_tile(*tile, patterns[head], 2e-6, "plan");
    request.less = AttentionRequest::Less::full;
    expect_tile(attention_tile(state, request, {}, {}, {}).value(), patterns[head] - golden_patterns[head], 4e-6,
                "difference");
    request.less = AttentionRequest::Less::nothing;
    request.plan.clear();
    expect_tile(attention_tile(state, request, {}, {}, {}).value(), golden_patterns[head], 2e-6, "full");
  }
  AttentionRequest below = request_of(tokens, {{0, 2}});
  below.plan = plan;
  expect_tile(attention_tile(state, below, {}, {}, {}).value(), golden.at("blocks.0.attn.hook_pattern")[0][2], 2e-6,
              "below");
  EXPECT_EQ(state.engine, full); // what runs next is under its own plan
  EXPECT_TRUE(state.plan.empty());
}

// The whole pattern of a layer is kept, that of one head where that is too much, and none is made up.
TEST(AttentionMap, UnderAPlanThatCannotBeShown) {
  EngineState state;
  state.engine = std::make_shared<const Engine>(load_golden("llama"));
  AttentionRequest request = request_of({1, 2, 3, 4}, {{1, 0}});
  request.plan = "window:window=2";
  // Four heads of 4 x 4 weights do not fit, one does.
  const Tile whole = attention_tile(state, request, {}, {}, {}).value();
  clear_cache(state);
  state.attention_bytes = 64;
  EXPECT_EQ(attention_tile(state, request, {}, {}, {}).value().max, whole.max);
  EXPECT_EQ(state.attention.back()->only_head, 0);
  request.heads = {{1, 2}};
  const Tile other = attention_tile(state, request, {}, {}, {}).value();
  EXPECT_NE(other.max, whole.max);
  state.attention_bytes = standard_cache_bytes;
  clear_cache(state);
  EXPECT_EQ(attention_tile(state, request, {}, {}, {}).value().max, other.max);
  clear_cache(state);
  state.attention_bytes = 10;
  EXPECT_EQ(attention_tile(state, request, {}, {}, {}).error().code, ErrorCode::out_of_memory);
  request.plan = "window:window=2@layers=99";
  EXPECT_EQ(attention_tile(state, request, {}, {}, {}).error().code, ErrorCode::invalid_argument);
  request.plan.clear();
  EXPECT_TRUE(attention_tile(state, request, {}, {}, {}).ok());
}

// Clean runs are kept by plan, so that none is taken for another's.
TEST(AttentionPlan, CleanRunsAreOfTheirPlan) {
  EngineState state;
  state.engine = std::make_shared<const Engine>(load_golden("llama"));
  const std::vector<std::int64_t> tokens = {1, 5, 9, 2, 7, 3};
  const auto logits = [&] {
    const auto run = clean_run(state, tokens, {});
    EXPECT_TRUE(run.ok());
    return (*run)->logits.clone();
  };
  const at::Tensor full = logits();
  {
    const auto planned = under_plan(state, "window:window=1");
    const at::Tensor windowed = logits();
    EXPECT_GT((windowed - full).abs().max().item<double>(), 1e-3);
    {
      const auto without = under_plan(state, {});
      EXPECT_TRUE(at::equal(logits(), full));
    }
    EXPECT_TRUE(at::equal(logits(), windowed));
  }
  EXPECT_TRUE(at::equal(logits(), full));
}

TEST(AttentionMap, SaysWhatIsMissing) {
  EngineState state;
  EXPECT_EQ(attention_tile(state, request_of({1, 2}, {{0, 0}}), {}, {}, {}).error().code, ErrorCode::not_found);
  state.engine = std::make_shared<const Engine>(load_golden("llama"));
  for (const HeadId head : {HeadId{99, 0}, HeadId{0, 99}, HeadId{-1, 0}})
    EXPECT_EQ(attention_tile(state, request_of({1, 2}, {head}), {}, {}, {}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(attention_tile(state, request_of({1, 2}, {}), {}, {}, {}).error().code, ErrorCode::invalid_argument);
}

TEST(AttentionMap, StopsWhenCancelled) {
  EngineState state;
  state.engine = std::make_shared<const Engine>(load_golden("llama"));
  RunControl control;
  control.cancel.cancel();
  EXPECT_EQ(attention_tile(state, request_of({1, 2, 3}, {{1, 0}}), {}, control, {}).error().code, ErrorCode::cancelled);
}

} // namespace
} // namespace headscope::gui
