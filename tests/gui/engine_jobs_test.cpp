// SPDX-License-Identifier: GPL-3.0-or-later
// The engine's jobs against core: predictions against ablate_heads_plainly, generation against generate, live
// scores against the captured pattern.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>

#include <ATen/ATen.h>

#include "app/gui/engine/edge_effect_job.h"
#include "app/gui/engine/engine_state.h"
#include "app/gui/engine/generate_job.h"
#include "app/gui/engine/live_scores_job.h"
#include "app/gui/engine/model_job.h"
#include "app/gui/engine/predict_job.h"
#include "core/circuits/edge_scores.h"
#include "core/engine/generate.h"
#include "core/sweeps/head_ablation.h"
#include "tests/gui/tiny_model.h"
#include "tests/new_folder.h"
#include "tests/sweeps/plain_sweeps.h"

namespace headscope::gui {
namespace {

const std::vector<std::string> reference_texts = {"The cat sat on the mat.", "A quick brown fox.",
                                                  "He went to the old town by train."};

class EngineJobs : public ::testing::TestWithParam<const char*> {
protected:
  void SetUp() override {
    const std::string name = GetParam();
    const std::string path = name == "smollm2" ? HEADSCOPE_BINARY_DIR "/models/SmolLM2-135M-Instruct.Q4_1.gguf"
                                               : make_tiny_model(folder_, name);
    const auto info = open_model(*state_, {path, "float32", "cpu"}, {});
    ASSERT_TRUE(info.ok()) << info.error().to_string();
    info_ = *info;
    const auto tokens = tokenize(*state_, {"When Mary and John went to the store", false, true});
    ASSERT_TRUE(tokens.ok()) << tokens.error().to_string();
    for (const TokenInfo& token : *tokens)
      tokens_.push_back(token.id);
  }

  void TearDown() override {
    state_.reset(); // the model's files are mapped
    std::filesystem::remove_all(folder_);
  }

  std::vector<std::vector<std::int64_t>> reference_rows() const {
    std::vector<std::vector<std::int64_t>> rows;
    for (const std::string& text : reference_texts)
      rows.push_back(*state_->engine->model().tokenizer->encode(text));
    return rows;
  }

  const std::filesystem::path folder_ = headscope::test::new_folder();
  std::shared_ptr<EngineState> state_ = make_engine_state();
  ModelInfo info_;
  std::vector<std::int64_t> tokens_;
};

TEST_P(EngineJobs, OneHeadIsAblatedAsInTheSweep) {
  const HeadId head{(info_.n_layers - 1) / 2, 1};
  const bool quick = std::string(GetParam()) == "smollm2"; // one method is enough for the packaged model
  for (const AblationMethod how :
       {AblationMethod::zero, AblationMethod::mean, AblationMethod::resample, AblationMethod::uniform})
    for (const Phase when : {Phase::prefill, Phase::decode, Phase::both}) {
      if (quick && (how != AblationMethod::zero || when != Phase::both)) continue;
      PredictRequest request;
      request.tokens = tokens_;
      request.ablation = {{{head, how, when}}, reference_texts, 0};
      const auto prediction = predict(*state_, request, {});
      ASSERT_TRUE(prediction.ok()) << prediction.error().to_string();
      HeadAblationOptions options;
      options.heads = {{head.layer, head.head}};
      options.method = how;
      options.phase = when;
      options.reference = reference_rows();
      const AblationPrompt prompt{tokens_, {{prediction->answer.id}, {prediction->wrong.id}}};
      for (const MetricKind metric : {MetricKind::logit_diff, MetricKind::kl_divergence}) {
        options.metric = metric;
        const auto plain = ablate_heads_plainly(*state_->engine, {prompt}, options);
        ASSERT_TRUE(plain.ok()) << plain.error().to_string();
        const double effect = plain->effect(0, head.layer, head.head);
        const bool kl = metric == MetricKind::kl_divergence;
        EXPECT_NEAR(kl ? prediction->kl : prediction->ablated_diff - prediction->clean_diff, effect, 2e-4)
            << to_string(how) << " " << to_string(when) << " " << to_string(metric);
        if (kl) continue;
        EXPECT_NEAR(prediction->clean_diff, plain->clean[0], 2e-4);
        EXPECT_NE(effect, 0.0);
      }
    }
}

// Prints, without judging, how long the panel waits for its probabilities with 64 tokens.
TEST_P(EngineJobs, TimeOfAPrediction) {
  PredictRequest request;
  while (request.tokens.size() < std::min<std::size_t>(64, static_cast<std::size_t>(info_.n_ctx)))
    request.tokens.push_back(tokens_[request.tokens.size() % tokens_.size()]);
  for (const bool cached : {false, true}) {
    const HeadId head{cached ? info_.n_layers / 2 : 0, 1};
    request.ablation.heads = {{head, AblationMethod::zero, Phase::both}};
    const auto begin = std::chrono::steady_clock::now();
    const auto prediction = predict(*state_, request, {});
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    ASSERT_TRUE(prediction.ok()) << prediction.error().to_string();
    EXPECT_EQ(prediction->cached, cached);
    std::printf("[ MEASURED ] %s, %zu tokens, head %s, %s clean run: %.0f ms\n", GetParam(), request.tokens.size(),
                head_name(head).c_str(), cached ? "with the" : "and the", took.count());
  }
}

class TinyEngineJobs : public EngineJobs {};

TEST_P(TinyEngineJobs, SeveralHeadsAndMethodsGoTogether) {
  PredictRequest request;
  request.tokens = tokens_;
  request.ablation = {
      {{{0, 0}, AblationMethod::zero, Phase::both}, {{info_.n_layers - 1, 1}, AblationMethod::uniform, Phase::decode}},
      {},
      0};
  const auto prediction = predict(*state_, request, {});
  ASSERT_TRUE(prediction.ok()) << prediction.error().to_string();
  RunRequest run;
  run.batch = TokenBatch::single(tokens_);
  run.until = LogitRows::last;
  Intervention zero, uniform;
  zero.site = {HookPoint::z, 0};
  zero.head = 0;
  uniform.site = {HookPoint::pattern, info_.n_layers - 1};
  uniform.kind = InterventionKind::uniform;
  uniform.head = 1;
  uniform.positions = {static_cast<std::int64_t>(tokens_.size()) - 1};
  run.interventions = {zero, uniform};
  const auto expected = state_->engine->run(run);
  ASSERT_TRUE(expected.ok());
  const at::Tensor probabilities = expected->logits[0].to(at::kDouble).softmax(-1);
  ASSERT_EQ(prediction->top.size(), 10U);
  for (const PredictedToken& token : prediction->top)
    EXPECT_NEAR(token.ablated, probabilities[token.token.id].item<double>(), 1e-5);
}

TEST_P(TinyEngineJobs, NothingAblatedChangesNothing) {
  PredictRequest request;
  request.tokens = tokens_;
  const auto first = predict(*state_, request, {});
  const auto second = predict(*state_, request, {});
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_FALSE(first->cached);
  EXPECT_TRUE(second->cached);
  EXPECT_EQ(first->kl, 0.0);
  EXPECT_EQ(first->clean_diff, first->ablated_diff);
  EXPECT_EQ(first->top.front().token.id, first->answer.id);
}

TEST_P(TinyEngineJobs, MeanNeedsReferenceTexts) {
  PredictRequest request;
  request.tokens = tokens_;
  request.ablation.heads = {{{0, 0}, AblationMethod::mean, Phase::both}};
  const auto prediction = predict(*state_, request, {});
  ASSERT_FALSE(prediction.ok());
  EXPECT_EQ(prediction.error().code, ErrorCode::mismatch);
}

TEST_P(TinyEngineJobs, GeneratesWhatCoreGenerates) {
  GenerateRequest request;
  request.tokens = tokens_;
  request.new_tokens = 6;
  const auto clean = generate_text(*state_, request, {}, {});
  ASSERT_TRUE(clean.ok()) << clean.error().to_string();
  EXPECT_TRUE(clean->complete);
  GenerateOptions options;
  options.max_new_tokens = 6;
  const auto expected = generate(*state_->engine, tokens_, options);
  ASSERT_TRUE(expected.ok());
  std::vector<std::int64_t> ids;
  for (const TokenInfo& token : clean->tokens)
    ids.push_back(token.id);
  EXPECT_EQ(ids, expected->tokens);
}

// The first generated token is the likeliest of the prediction, in every phase and method.
TEST_P(TinyEngineJobs, GenerationBeginsAsPredicted) {
  for (const AblationMethod how :
       {AblationMethod::zero, AblationMethod::mean, AblationMethod::resample, AblationMethod::uniform})
    for (const Phase when : {Phase::prefill, Phase::decode, Phase::both}) {
      AblationInput input{{}, reference_texts, 0};
      for (int head = 0; head < info_.n_heads; ++head)
        input.heads.push_back({{info_.n_layers / 2, head}, how, when});
      PredictRequest request;
      request.tokens = tokens_;
      request.ablation = input;
      const auto prediction = predict(*state_, request, {});
      ASSERT_TRUE(prediction.ok()) << prediction.error().to_string();
      const auto best = std::max_element(prediction->top.begin(), prediction->top.end(),
                                         [](const auto& a, const auto& b) { return a.ablated < b.ablated; });
      GenerateRequest generation;
      generation.tokens = tokens_;
      generation.ablation = input;
      generation.new_tokens = 2;
      const auto text = generate_text(*state_, generation, {}, {});
      ASSERT_TRUE(text.ok()) << text.error().to_string();
      ASSERT_EQ(text->tokens.size(), 2U);
      EXPECT_EQ(text->tokens.front().id, best->token.id) << to_string(how) << " " << to_string(when);
    }
}

TEST_P(TinyEngineJobs, CancelledGenerationKeepsWhatThereIs) {
  GenerateRequest request;
  request.tokens = tokens_;
  request.new_tokens = 30;
  RunControl task;
  task.progress = [&](const Progress& progress) {
    if (progress.done == 3) task.cancel.cancel();
  };
  const auto text = generate_text(*state_, request, task, {});
  ASSERT_TRUE(text.ok()) << text.error().to_string();
  EXPECT_FALSE(text->complete);
  EXPECT_EQ(text->tokens.size(), 3U);
}

TEST_P(TinyEngineJobs, LiveScoresAreThoseOfThePattern) {
  const auto scores = live_scores(*state_, tokens_, {});
  ASSERT_TRUE(scores.ok()) << scores.error().to_string();
  const int layer = info_.n_layers - 1;
  RunRequest request;
  request.batch = TokenBatch::single(tokens_);
  request.capture = {{HookPoint::pattern, layer}};
  const auto run = state_->engine->run(request);
  ASSERT_TRUE(run.ok());
  const at::Tensor pattern = (*run->cache.get({HookPoint::pattern, layer}))[0].to(at::kDouble);
  const auto queries = static_cast<std::int64_t>(tokens_.size());
  for (int head = 0; head < info_.n_heads; ++head) {
    double sink = 0.0, entropy = 0.0, largest = 0.0;
    for (std::int64_t q = 0; q < queries; ++q) {
      double best = 0.0;
      for (std::int64_t k = 0; k <= q; ++k) {
        const double weight = pattern[head][q][k].item<double>();
        if (weight > 0.0) entropy -= weight * std::log(weight);
        best = std::max(best, weight);
      }
      sink += pattern[head][q][0].item<double>();
      largest += best;
    }
    const auto at = static_cast<std::size_t>(layer * info_.n_heads + head);
    const auto n = static_cast<double>(queries);
    EXPECT_NEAR(scores->sink_mass[at], sink / n, 1e-5);
    EXPECT_NEAR(scores->entropy[at], entropy / n, 1e-5);
    EXPECT_NEAR(scores->max_weight[at], largest / n, 1e-5);
  }
}

std::string name_of(const ::testing::TestParamInfo<const char*>& model) { return model.param; }
INSTANTIATE_TEST_SUITE_P(Models, EngineJobs, ::testing::Values("llama", "smollm2"), name_of);
// One edge at a time against core's sweep over all edges.
TEST_P(TinyEngineJobs, AnEdgeIsPatchedAsInTheSweep) {
  const auto pair = read_pair(*state_, {"the cat sat", "the dog sat", "a", "b", true}, {});
  ASSERT_TRUE(pair.ok()) << pair.error().to_string();
  const ComputationalGraph graph(graph_shape(state_->engine->config()));
  CircuitTask task;
  task.pairs = {patch_pair(*pair)};
  ScoreOptions exact;
  exact.method = ScoreMethod::exact;
  const auto scores = score_edges(*state_->engine, graph, task, exact);
  ASSERT_TRUE(scores.ok()) << scores.error().to_string();
  const EdgeRef edges[] = {{"input", -1, -1, "q", 0, 2},
                           {"head", 0, 3, "k", 1, 1},
                           {"mlp", 0, -1, "v", 1, 0},
                           {"head", 0, 1, "mlp", 1, -1},
                           {"head", 1, 2, "logits", -1, -1}};
  const char* const names[] = {"input->a0.h2<q>", "a0.h3->a1.kv1<k>", "m0->a1.kv0<v>", "a0.h1->m1", "a1.h2->logits"};
  for (std::size_t i = 0; i < std::size(edges); ++i) {
    const auto effect = edge_effect(*state_, *pair, edges[i], {});
    ASSERT_TRUE(effect.ok()) << names[i] << ": " << effect.error().to_string();
    const auto edge = graph.find_edge(names[i]);
    ASSERT_TRUE(edge.ok()) << edge.error().to_string();
    EXPECT_NEAR(effect->clean, scores->clean[0], 1e-5);
    EXPECT_NEAR(effect->effect, scores->edges[static_cast<std::size_t>(*edge)], 1e-5) << names[i];
    EXPECT_NE(effect->effect, 0.0) << names[i];
  }
  const auto none = edge_effect(*state_, *pair, {"head", 7, 0, "logits", -1, -1}, {});
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, ErrorCode::not_found);
}

INSTANTIATE_TEST_SUITE_P(Models, TinyEngineJobs, ::testing::Values("llama"), name_of);

} // namespace
} // namespace headscope::gui
