// SPDX-License-Identifier: GPL-3.0-or-later
// Context managers: what stands around a segment, on states whose answer is known, and whole readings against runs of
// the model on inputs that are put together by hand.
#include <cmath>

#include <gmock/gmock.h>

#include "core/context_managers/segments.h"
#include "tests/engine/tiny_model.h"

namespace headscope::contexts {
namespace {

using testing::ElementsAre;

double largest(const at::Tensor& difference) { return difference.abs().max().item<double>(); }

std::shared_ptr<const ContextManager> manager(const std::string& spec) { return parse_manager(spec).value(); }

// States that a test sets: token t has row t.
class Planted : public Reader {
public:
  explicit Planted(at::Tensor states) : states_(std::move(states)) {}
  Result<at::Tensor> states(const Ids& tokens) const override { return states_.index_select(0, at::tensor(tokens)); }
  Result<at::Tensor> embeddings(const Ids& tokens) const override { return states(tokens); }

private:
  at::Tensor states_;
};

Stored stored(const Reader& reader, const Ids& tokens) { return {tokens, reader.states(tokens).value(), {}}; }

std::size_t strongest(const std::vector<double>& recall) {
  return static_cast<std::size_t>(std::max_element(recall.begin(), recall.end()) - recall.begin());
}

// Residuals of tokens read by themselves, with vectors in place of the embeddings of some.
at::Tensor resid(const Engine& engine, const Ids& tokens,
                 const std::vector<std::pair<std::int64_t, at::Tensor>>& vectors = {}) {
  RunRequest request;
  request.batch = TokenBatch::single(tokens);
  request.until = BeforeLayer{static_cast<int>(engine.config().n_layers)};
  request.hooks.push_back({{HookPoint::embed}, [&](HookSite, at::Tensor x) {
                             x = x.clone();
                             for (const auto& [at, vector] : vectors)
                               x[0][at].copy_(vector);
                             return x;
                           }});
  return engine.run(request).value().resid[0];
}

at::Tensor state(const at::Tensor& resid) { return resid / resid.pow(2).mean(-1, true).sqrt(); }

ManagedRun read(const Engine& engine, const std::string& spec, const Ids& tokens, std::int64_t segment) {
  auto run = read_in_segments(engine, *manager(spec), tokens, segments_of(std::ssize(tokens), segment), {});
  EXPECT_TRUE(run.ok()) << spec << ": " << run.error().to_string();
  return std::move(run.value());
}

TEST(Contexts, OneSegmentIsTheModel) {
  for (const std::string family : {"llama", "gpt2", "gemma"}) {
    const Engine engine(test::tiny_model(family));
    const Ids text = test::tiny_tokens(20, 1);
    for (const ManagerDefinition* each : all_managers())
      EXPECT_LT(largest(read(engine, each->info.id, text, 20).resid - resid(engine, text)), 1e-5)
          << family << " " << each->info.id;
  }
}

TEST(Contexts, AloneRepeatsTheLastTokens) {
  const Engine engine(test::tiny_model("llama"));
  const Ids text = test::tiny_tokens(18, 1);
  const ManagedRun run = read(engine, "alone:sensory=3", text, 8);
  EXPECT_EQ(run.recall.size(), 3U);
  EXPECT_EQ(run.tokens_read, 8 + 11 + 5);
  const at::Tensor third = resid(engine, Ids(text.begin() + 13, text.end())).narrow(0, 3, 2);
  EXPECT_LT(largest(run.resid.narrow(0, 16, 2) - third), 1e-5);
}

// The second segment with its memory put in by hand; the vector is made in plain loops.
TEST(Contexts, HmtPutsOneVectorBeforeAndBehind) {
  for (const std::string family : {"llama", "gpt2"}) {
    const Engine engine(test::tiny_model(family));
    const Ids text = test::tiny_tokens(24, 1), first(text.begin(), text.begin() + 8),
              second(text.begin() + 8, text.begin() + 16);
    const at::Tensor before = state(resid(engine, first)), w = engine.model().weights.w_e;
    // The second segment has one memory, which therefore counts fully: the last state of the first.
    const auto sized = [&](const at::Tensor& vector, const Ids& asked) {
      double size = 0.0;
      for (const std::int64_t token : asked)
        size += w[token].norm().item<double>() / static_cast<double>(asked.size());
      return vector / vector.norm() * size;
    };
    const at::Tensor memory = sized(before[7], first);
    Ids input = {0, text[6], text[7]};
    input.insert(input.end(), second.begin(), second.end());
    input.push_back(0);
    const at::Tensor by_hand = resid(engine, input, {{0, memory}, {11, memory}});
    const ManagedRun run = read(engine, "hmt:sensory=2", text, 8);
    EXPECT_LT(largest(run.resid.narrow(0, 8, 8) - by_hand.narrow(0, 3, 8)), 1e-4) << family;
    // The third is asked by the second, and what was stored of it stood behind it.
    const at::Tensor stored_second = state(by_hand)[11], query = state(resid(engine, second)).mean(0);
    const double d = static_cast<double>(query.size(0));
    const at::Tensor mean = (before[7] + stored_second) / 2; // is taken off
    const double a = at::dot(query - mean, before[7] - mean).item<double>() / std::sqrt(d);
    const double b = at::dot(query - mean, stored_second - mean).item<double>() / std::sqrt(d);
    ASSERT_EQ(run.recall[2].size(), 2U);
    EXPECT_NEAR(run.recall[2][1], 1.0 / (1.0 + std::exp(a - b)), 1e-5) << family;
    EXPECT_NEAR(run.recall[2][0] + run.recall[2][1], 1.0, 1e-6);
  }
}

TEST(Contexts, HcamMixesReadingsBehindChosenChunks) {
  const Engine engine(test::tiny_model("llama"));
  const Ids text = test::tiny_tokens(20, 1);
  const ManagedRun run = read(engine, "hcam:top=2", text, 4);
  at::Tensor mixed;
  const std::vector<double>& recall = run.recall[4];
  int kept = 0;
  for (std::size_t chunk = 0; chunk < 4; ++chunk) {
    if (recall[chunk] == 0.0) continue;
    ++kept;
    Ids input(text.begin() + static_cast<std::int64_t>(chunk) * 4,
              text.begin() + static_cast<std::int64_t>(chunk) * 4 + 4);
    input.insert(input.end(), text.begin() + 16, text.end());
    const at::Tensor part = resid(engine, input).narrow(0, 4, 4) * recall[chunk];
    mixed = mixed.defined() ? mixed + part : part;
  }
  EXPECT_EQ(kept, 2);
  EXPECT_LT(largest(run.resid.narrow(0, 16, 4) - mixed), 1e-4);
}

// Three segments about three things; what asks is about the second.
TEST(Contexts, TheRightSegmentIsRecalled) {
  at::manual_seed(5);
  const at::Tensor topics = 4.0 * at::randn({3, 64});
  const Planted reader(topics.repeat_interleave(4, 0) + at::randn({12, 64}));
  for (const std::string spec : {"hmt:summary=mean", "hmt:summary=last", "hmt:summary=mean,project=32,seed=1",
                                 "hcam:top=1", "titans:reads=2", "titans:reads=2,values=next"}) {
    const auto memory = manager(spec)->open(reader);
    for (const Ids& segment : {Ids{0, 1, 2}, Ids{4, 5, 6}, Ids{8, 9, 10}})
      ASSERT_TRUE(memory->store(stored(reader, segment)).ok());
    EXPECT_EQ(strongest(memory->around({7}, {8, 9, 10}).value().recall), 1U) << spec;
    EXPECT_EQ(strongest(memory->around({11}, {8, 9, 10}).value().recall), 2U) << spec;
  }
}

TEST(Contexts, OldMemoriesAreDropped) {
  const Planted reader(at::eye(16));
  const auto memory = manager("hmt:memories=2")->open(reader);
  for (std::int64_t i = 0; i < 4; ++i)
    ASSERT_TRUE(memory->store(stored(reader, {i})).ok());
  const std::vector<double> recall = memory->around({3}, {3}).value().recall;
  EXPECT_EQ(recall.size(), 4U);
  EXPECT_EQ(recall[0], 0.0);
  EXPECT_EQ(recall[1], 0.0);
  EXPECT_GT(recall[3], recall[2]);
}

// Orthonormal keys and a step of ½: M = Σ v kᵀ, i.e. linear attention. What is read a second time is no surprise.
TEST(Contexts, TitansIsLinearAttentionOnOrthonormalKeys) {
  const Planted reader(at::eye(8));
  const auto memory = manager("titans:theta=0.5,reads=1,values=next")->open(reader);
  ASSERT_TRUE(memory->store(stored(reader, {0, 1, 2, 3})).ok());
  ASSERT_TRUE(memory->store(stored(reader, {0, 1, 2, 3})).ok());
  const std::vector<double> surprise = memory->surprise();
  EXPECT_THAT(surprise, ElementsAre(2.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0)); // the last of a segment learns nothing
  const Surroundings around = memory->around({1}, {}).value();
  EXPECT_LT(largest(around.readings[0].before[0].vectors - at::eye(8).narrow(0, 2, 1)), 1e-6); // what came after 1
  const auto forgetting = manager("titans:theta=0.5,alpha=0.5,reads=1")->open(reader);
  ASSERT_TRUE(forgetting->store(stored(reader, {0, 1, 0})).ok());
  EXPECT_THAT(forgetting->surprise(), ElementsAre(2.0, 2.0, testing::DoubleNear(2.0 * 0.5, 1e-6)));
}

TEST(Contexts, WhatDoesNotFitIsRefused) {
  const Engine engine(test::tiny_model("llama")); // 64 positions
  const Ids text = test::tiny_tokens(120, 1);
  const auto too_long = read_in_segments(engine, *manager("hmt:sensory=32"), text, segments_of(120, 40), {});
  ASSERT_FALSE(too_long.ok());
  EXPECT_EQ(too_long.error().field, "segment");
  EXPECT_THAT(too_long.error().message, testing::HasSubstr("64"));
  EXPECT_EQ(parse_manager("hmt:memories=0").error().field, "memories");
  EXPECT_THAT(parse_manager("htm").error().message, testing::HasSubstr("alone, hcam, hmt or titans"));
}

} // namespace
} // namespace headscope::contexts
