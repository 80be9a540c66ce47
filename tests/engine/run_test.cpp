// SPDX-License-Identifier: GPL-3.0-or-later
// Padding, caches, restarts, gradients, interventions and generation against transformers.
#include <fstream>

#include <nlohmann/json.hpp>

#include "core/engine/generate.h"
#include "tests/engine/golden.h"

namespace headscope {
namespace {

std::vector<std::int64_t> ids_of(const at::Tensor& row) {
  const at::Tensor flat = row.contiguous();
  return {flat.const_data_ptr<std::int64_t>(), flat.const_data_ptr<std::int64_t>() + flat.numel()};
}

class Padding : public testing::TestWithParam<std::string> {};

TEST_P(Padding, RowsEqualThoseRunAlone) {
  const Engine engine(load_golden(GetParam()));
  Tensors golden = read_golden("padding_" + GetParam());
  const at::Tensor tokens = golden.at("tokens");
  const std::vector<std::vector<std::int64_t>> rows = {ids_of(tokens[0]), ids_of(tokens[1].slice(0, 0, 11)),
                                                       ids_of(tokens[0].slice(0, 2, 9))};
  for (const auto side : {TokenBatch::Side::left, TokenBatch::Side::right}) {
    RunRequest request;
    request.batch = TokenBatch::pad(rows, side);
    request.until = LogitRows::last;
    const auto result = engine.run(request);
    ASSERT_TRUE(result.ok()) << result.error().to_string();
    EXPECT_LT(max_error(result->logits, golden.at("logits")), 2e-4)
        << (side == TokenBatch::Side::left ? "left" : "right");
    // The dense path, which observers take, must agree.
    AttentionObserver observer;
    int tiles = 0;
    observer.tile = [&](const PatternTile& tile) {
      ++tiles;
      EXPECT_FALSE(tile.pattern.isnan().any().item<bool>());
    };
    request.observer = &observer;
    const auto dense = engine.run(request);
    ASSERT_TRUE(dense.ok());
    EXPECT_GT(tiles, 0);
    EXPECT_LT(max_error(dense->logits, golden.at("logits")), 2e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, Padding, testing::Values("gpt2", "llama", "gemma3", "opt"),
                         [](const auto& test) { return test.param; });

class Gradients : public testing::TestWithParam<std::string> {};

TEST_P(Gradients, EqualAutogradOfTransformers) {
  const Engine engine(load_golden(GetParam()));
  Tensors golden = read_golden("gradients_" + GetParam());
  GradientRequest request;
  request.run.batch = batch_of(golden.at("tokens"));
  request.metric = [](const at::Tensor& logits) {
    const at::Tensor last = logits.select(1, logits.size(1) - 1);
    return (last.select(1, 3) - last.select(1, 7)).sum();
  };
  for (const auto& [name, value] : golden)
    if (name.rfind("grad.", 0) == 0) request.gradients.push_back(*parse_hook_name(name.substr(5), engine.config()));
  ASSERT_GE(request.gradients.size(), 8u);
  const auto result = engine.run_with_gradients(request);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_NEAR(result->metric, golden.at("metric").item<double>(), 2e-4);
  for (const HookSite& site : request.gradients)
    EXPECT_LT(max_error(*result->gradients.get(site), golden.at("grad." + hook_name(site))), 2e-4) << hook_name(site);
}

INSTANTIATE_TEST_SUITE_P(Architectures, Gradients, testing::Values("gpt2", "llama", "gemma3"),
                         [](const auto& test) { return test.param; });

TEST(Gradients, BackwardHookReplacesTheGradient) {
  const Engine engine(load_golden("llama"));
  GradientRequest request;
  request.run.batch = TokenBatch::single({5, 6, 7});
  request.metric = [](const at::Tensor& logits) { return logits.sum(); };
  request.gradients = {{HookPoint::resid_pre, 0}};
  request.backward_hooks = {
      {{HookPoint::resid_post, 1}, [](HookSite, at::Tensor gradient) { return at::zeros_like(gradient); }}};
  const auto result = engine.run_with_gradients(request);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result->gradients.get({HookPoint::resid_pre, 0})->abs().max().item<double>(), 0.0);
}

class Interventions : public testing::TestWithParam<std::string> {
protected:
  void check(const std::string& name, Intervention intervention) {
    RunRequest request;
    request.batch = batch_of(golden_.at("tokens"));
    request.interventions = {std::move(intervention)};
    const auto result = engine_.run(request);
    ASSERT_TRUE(result.ok()) << name << ": " << result.error().to_string();
    EXPECT_LT(max_error(result->logits, golden_.at(name)), 2e-4) << name;
    EXPECT_GT(max_error(engine_.run({.batch = request.batch})->logits, golden_.at(name)), 1e-3)
        << name << " changes nothing";
  }

  Engine engine_{load_golden(GetParam())};
  Tensors golden_ = read_golden("interventions_" + GetParam());
};

TEST_P(Interventions, EqualHooksOnTransformers) {
  const HookSite z{HookPoint::z, 1};
  check("zero_z_1_2", {.site = z, .kind = InterventionKind::zero, .head = 2});
  check("set_z_1_2", {.site = z, .kind = InterventionKind::set, .head = 2, .value = golden_.at("vector")});
  check("scale_z_1_2", {.site = z, .kind = InterventionKind::scale, .head = 2, .factor = 0.5});
  check("uniform_1_1", {.site = {HookPoint::pattern, 1}, .kind = InterventionKind::uniform, .head = 1});
  check("add_mlp_out_0",
        {.site = {HookPoint::mlp_out, 0}, .kind = InterventionKind::add, .value = golden_.at("steer")});
  RunRequest other;
  other.batch = batch_of(golden_.at("other"));
  other.capture = {{HookPoint::resid_pre, 1}};
  const at::Tensor patch = *engine_.run(other)->cache.get({HookPoint::resid_pre, 1});
  check("patch_resid_pre_1_5", {.site = {HookPoint::resid_pre, 1},
                                .kind = InterventionKind::set,
                                .positions = {5},
                                .value = patch.slice(1, 5, 6)});
}

// Uniform attention must not depend on the path: with the pattern captured the full matrix is built.
TEST_P(Interventions, UniformIsTheSameInTheFullMatrix) {
  RunRequest request;
  request.batch = batch_of(golden_.at("tokens"));
  request.interventions = {{.site = {HookPoint::pattern, 1}, .kind = InterventionKind::uniform, .head = 1}};
  request.capture = {{HookPoint::pattern, 1}};
  const auto result = engine_.run(request);
  ASSERT_TRUE(result.ok());
  EXPECT_LT(max_error(result->logits, golden_.at("uniform_1_1")), 2e-4);
  const at::Tensor row = result->cache.get({HookPoint::pattern, 1})->select(1, 1)[0][3];
  EXPECT_NEAR(row[0].item<double>(), 0.25, 1e-6);
  EXPECT_EQ(row[4].item<double>(), 0.0);
}

INSTANTIATE_TEST_SUITE_P(Architectures, Interventions, testing::Values("gpt2", "llama"),
                         [](const auto& test) { return test.param; });

TEST(Generation, GreedyTokensEqualTransformers) {
  std::ifstream file(golden_path("activations/generate.json"));
  const nlohmann::json all = nlohmann::json::parse(file);
  ASSERT_GE(all.size(), 6u);
  for (const auto& [name, entry] : all.items()) {
    const Engine engine(load_golden(name));
    GenerateOptions options;
    options.max_new_tokens = 20;
    const auto generated = generate(engine, entry["prompt"].get<std::vector<std::int64_t>>(), options);
    ASSERT_TRUE(generated.ok()) << name << generated.error().to_string();
    EXPECT_EQ(generated->tokens, entry["tokens"].get<std::vector<std::int64_t>>()) << name;
    options.last_prompt_token_decodes = true;
    EXPECT_EQ(generate(engine, entry["prompt"].get<std::vector<std::int64_t>>(), options)->tokens, generated->tokens)
        << name;
  }
}

TEST(Generation, SamplingDependsOnTheSeedAlone) {
  const Engine engine(load_golden("llama"));
  GenerateOptions options;
  options.max_new_tokens = 12;
  options.temperature = 1.0;
  options.top_p = 0.9;
  options.seed = 3;
  const auto a = generate(engine, {5, 6, 7}, options), b = generate(engine, {5, 6, 7}, options);
  EXPECT_EQ(a->tokens, b->tokens);
  options.seed = 4;
  EXPECT_NE(generate(engine, {5, 6, 7}, options)->tokens, a->tokens);
}

class Restart : public testing::TestWithParam<std::string> {};

TEST_P(Restart, FromAnyLayerGivesTheSameLogits) {
  const Engine engine(load_golden(GetParam()));
  const at::Tensor tokens = read_golden(GetParam()).at("tokens");
  RunRequest whole;
  whole.batch = batch_of(tokens);
  for (int layer = 0; layer < engine.config().n_layers; ++layer)
    whole.capture.push_back({HookPoint::resid_pre, layer});
  const auto reference = engine.run(whole);
  ASSERT_TRUE(reference.ok());
  for (int layer = 0; layer < engine.config().n_layers; ++layer) {
    RunRequest stop;
    stop.batch = whole.batch;
    stop.until = BeforeLayer{layer};
    const auto half = engine.run(stop);
    ASSERT_TRUE(half.ok());
    EXPECT_LT(max_error(half->resid, *reference->cache.get({HookPoint::resid_pre, layer})), 1e-5);
    RunRequest rest;
    rest.batch = whole.batch;
    rest.rows = {RowGroup::from_residual(layer, half->resid)};
    EXPECT_LT(max_error(engine.run(rest)->logits, reference->logits), 1e-5) << layer;
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, Restart, testing::Values("gpt2", "gpt_neox", "gemma3"),
                         [](const auto& test) { return test.param; });

// A run that begins at a block's z is the run that computed it; heads may be ablated there.
TEST_P(Restart, FromTheZOfAnyLayerGivesTheSameLogits) {
  const Engine engine(load_golden(GetParam()));
  const at::Tensor tokens = read_golden(GetParam()).at("tokens");
  for (int layer = 0; layer < static_cast<int>(engine.config().n_layers); ++layer) {
    RunRequest whole;
    whole.batch = batch_of(tokens);
    whole.capture = {{HookPoint::resid_pre, layer}, {HookPoint::z, layer}};
    const auto kept = engine.run(whole);
    ASSERT_TRUE(kept.ok()) << kept.error().to_string();
    for (const bool ablated : {false, true}) {
      RunRequest part, expected;
      part.batch = expected.batch = whole.batch;
      part.rows = {
          RowGroup::from_residual(layer, {*kept->cache.get(whole.capture[0]), *kept->cache.get(whole.capture[1])})};
      Intervention zero;
      zero.site = {HookPoint::z, layer};
      for (const std::int64_t head : {0, 1}) { // one mask for several, each of its own row
        zero.head = head;
        zero.row = 0;
        if (!ablated) continue;
        part.interventions.push_back(zero);
        expected.interventions.push_back(zero);
      }
      const auto result = engine.run(part), plain = engine.run(expected);
      ASSERT_TRUE(result.ok()) << result.error().to_string();
      ASSERT_TRUE(plain.ok()) << plain.error().to_string();
      EXPECT_LT(max_error(result->logits, plain->logits), 1e-6) << layer << ablated;
      EXPECT_EQ(max_error(result->logits, kept->logits) > 1e-4, ablated);
    }
  }
}

TEST(Restart, WhatComesBeforeZIsRefused) {
  const Engine engine(load_golden("llama"));
  RunRequest request;
  request.batch = TokenBatch::single({5, 6, 7});
  request.capture = {{HookPoint::resid_pre, 1}, {HookPoint::z, 1}};
  const auto kept = engine.run(request);
  ASSERT_TRUE(kept.ok());
  const at::Tensor resid = *kept->cache.get(request.capture[0]), z = *kept->cache.get(request.capture[1]);
  const auto error_of = [&](const auto& change) {
    RunRequest bad;
    bad.batch = request.batch;
    bad.rows = {RowGroup::from_residual(1, {resid, z})};
    change(bad);
    const auto result = engine.run(bad);
    return result.ok() ? std::string("none") : result.error().field;
  };
  EXPECT_EQ(error_of([](RunRequest&) {}), "none");
  EXPECT_EQ(error_of([](RunRequest& r) { r.capture = {{HookPoint::q, 1}}; }), "blocks.1.attn.hook_q");
  EXPECT_EQ(error_of([](RunRequest& r) { r.capture = {{HookPoint::pattern, 1}}; }), "blocks.1.attn.hook_pattern");
  EXPECT_EQ(error_of([](RunRequest& r) {
              r.interventions.resize(1);
              r.interventions[0].site = {HookPoint::resid_pre, 1};
            }),
            "blocks.1.hook_resid_pre");
  EXPECT_EQ(error_of([](RunRequest& r) { r.until = BeforeLayer{1}; }), "rows[0]");
  EXPECT_EQ(error_of([&](RunRequest& r) {
              r.rows = {RowGroup::from_residual(1, {resid, z.narrow(1, 0, 2)})};
            }),
            "rows[0].z");
  AttentionObserver observer;
  EXPECT_EQ(error_of([&](RunRequest& r) { r.observer = &observer; }), "rows");
  // Points before the first block of the run are not computed either.
  EXPECT_EQ(error_of([](RunRequest& r) { r.capture = {{HookPoint::z, 0}}; }), "blocks.0.attn.hook_z");
  EXPECT_EQ(error_of([](RunRequest& r) { r.capture = {{HookPoint::embed, -1}}; }), "hook_embed");
  EXPECT_EQ(error_of([](RunRequest& r) { r.capture = {{HookPoint::final_scale, -1}}; }), "none");
}

class LastLogits : public testing::TestWithParam<std::string> {};

// Where only the last logits are wanted, most of the last block is not computed.
TEST_P(LastLogits, AreThoseOfAWholeRun) {
  const Engine engine(load_golden(GetParam()));
  const at::Tensor tokens = read_golden(GetParam()).at("tokens");
  RunRequest request;
  request.batch = batch_of(tokens);
  const auto all = engine.run(request);
  request.until = LogitRows::last;
  const auto last = engine.run(request);
  ASSERT_TRUE(all.ok() && last.ok());
  EXPECT_LT(max_error(last->logits, all->logits.select(1, tokens.size(1) - 1)), 2e-5);
  // Where something in the last block is captured, all of it is computed, and the logits are the same.
  request.capture = {{HookPoint::resid_post, static_cast<int>(engine.config().n_layers) - 1}};
  const auto watched = engine.run(request);
  ASSERT_TRUE(watched.ok());
  EXPECT_EQ(watched->cache.get(request.capture[0])->size(1), tokens.size(1));
  EXPECT_LT(max_error(last->logits, watched->logits), 2e-5);
}

INSTANTIATE_TEST_SUITE_P(Architectures, LastLogits,
                         testing::Values("gpt2", "gpt_neox", "llama", "llama_mqa", "gemma2", "gemma3", "opt"),
                         [](const auto& test) { return test.param; });

TEST(Batches, AnInterventionOfOneRowLeavesTheOthersAlone) {
  const Engine engine(load_golden("llama"));
  RunRequest request;
  request.batch = batch_of(at::tensor({3, 4, 5, 6}, at::kLong).repeat({3, 1}));
  const auto clean = engine.run(request);
  request.interventions = {{.site = {HookPoint::z, 0}, .head = 1, .row = 1}};
  const auto changed = engine.run(request);
  EXPECT_EQ(max_error(changed->logits[0], clean->logits[0]), 0.0);
  EXPECT_EQ(max_error(changed->logits[2], clean->logits[2]), 0.0);
  EXPECT_GT(max_error(changed->logits[1], clean->logits[1]), 1e-3);
}

TEST(Phases, DecodeInterventionsLeaveThePrefillAlone) {
  const Engine engine(load_golden("llama"));
  Intervention zero{.site = {HookPoint::z, 0}, .head = 1, .phase = Phase::decode};
  RunRequest prefill;
  prefill.batch = TokenBatch::single({3, 4, 5, 6});
  const auto clean = engine.run(prefill);
  prefill.interventions = {zero};
  EXPECT_EQ(max_error(engine.run(prefill)->logits, clean->logits), 0.0);
  KvCache a, b;
  RunRequest first = prefill, next;
  first.past = KvPast::append_to(a);
  ASSERT_TRUE(engine.run(first).ok());
  first.past = KvPast::append_to(b);
  ASSERT_TRUE(engine.run(first).ok());
  next.batch = TokenBatch::single({7});
  next.past = KvPast::append_to(a);
  const auto plain = engine.run(next);
  next.past = KvPast::append_to(b);
  next.interventions = {zero};
  EXPECT_GT(max_error(engine.run(next)->logits, plain->logits), 1e-3);
}

} // namespace
} // namespace headscope
