// SPDX-License-Identifier: GPL-3.0-or-later
// Plans in runs of a model: the answer does not depend on how a run is cut, and what cannot be given is refused.
#include <gmock/gmock.h>

#include "core/engine/attention_needs.h"
#include "core/mechanisms/comparison.h"
#include "tests/engine/tiny_model.h"
#include "tests/mechanisms/heads.h"

namespace headscope::mechanisms {
namespace {

using test::tiny_model;
using test::tiny_tokens;

constexpr const char* hip = "hip:k=4,window=4,block_q=4,block_k=1";
constexpr const char* long_heads = "longheads:chunk=4,chunks=3,begin=0";
constexpr const char* cached_stream = "streaming:sinks=1,window=5,positions=cache";
constexpr const char* stream = "streaming:sinks=1,window=5";

struct Planned {
  explicit Planned(const std::string& spec, const std::string& family = "llama")
      : engine(tiny_model(family)), plan(plan_of(spec, engine.config())) {
    request.batch = TokenBatch::single(tiny_tokens(40, 1));
    request.attention = plan.get();
  }
  at::Tensor logits() const {
    const auto result = engine.run(request);
    if (!result.ok()) throw std::runtime_error(result.error().to_string());
    return result->logits;
  }
  std::string error() const {
    const auto result = engine.run(request);
    return result.ok() ? "" : result.error().to_string();
  }

  Engine engine;
  std::shared_ptr<const AttentionPlan> plan;
  RunRequest request;
};

// A run for the last token's logits must not hand the last layer its last query alone.
TEST(Plans, LastLogitsAreThoseOfTheWholeRow) {
  for (const std::string& family : test::tiny_families())
    for (const char* spec : {hip, long_heads, stream, "landmark:block=4,top=1", "topk:k=3"}) {
      Planned run(spec, family);
      const at::Tensor all = run.logits();
      run.request.until = LogitRows::last;
      EXPECT_LT(largest_difference(run.logits()[0], all[0][39]), 1e-4) << family << " " << spec;
      run.request.attention = nullptr;
      EXPECT_GT(largest_difference(run.logits()[0], all[0][39]), 1e-3) << family << " " << spec;
    }
}

// Rows that join a run late, as those of sweeps do, get the values of a run of their own.
TEST(Plans, JoiningRowsAreTheirOwn) {
  for (const char* spec : {hip, long_heads, "landmark:block=4,top=1,gate=grouped"})
    for (const LogitRows rows : {LogitRows::all, LogitRows::last}) {
      Planned run(spec);
      run.request.until = rows;
      Intervention ablate;
      ablate.site = {HookPoint::z, 1};
      ablate.head = 2;
      run.request.interventions = {ablate};
      const at::Tensor alone = run.logits();
      run.request.batch.tokens = run.request.batch.tokens.repeat({2, 1});
      run.request.interventions[0].row = 1;
      for (const bool at_z : {false, true}) {
        run.request.rows = {RowGroup::from_tokens(), RowGroup::copies(1, {0}, at_z)};
        EXPECT_LT(largest_difference(run.logits()[1], alone[0]), 1e-4) << spec;
      }
    }
}

TEST(Plans, PaddingChangesNothing) {
  const std::vector<std::vector<std::int64_t>> prompts = {tiny_tokens(40, 1), tiny_tokens(27, 2)};
  for (const char* spec : {hip, long_heads, stream, "halo:block=4,halo=2", "landmark:block=4,top=1"})
    for (const TokenBatch::Side side : {TokenBatch::Side::left, TokenBatch::Side::right}) {
      Planned run(spec);
      run.request.until = LogitRows::last;
      run.request.batch = TokenBatch::pad(prompts, side);
      const at::Tensor together = run.logits();
      for (std::int64_t row = 0; row < 2; ++row) {
        run.request.batch = TokenBatch::single(prompts[static_cast<std::size_t>(row)]);
        EXPECT_LT(largest_difference(run.logits()[0], together[row]), 1e-4) << spec << ", row " << row;
      }
    }
}

// Goes on after 30 of 40 tokens, one after the other. HiP's steps choose keys without later queries, so that its steps
// are those of texts that end there.
TEST(Plans, GoOnFromACache) {
  const std::vector<std::int64_t> tokens = tiny_tokens(40, 1);
  for (const char* spec : {stream, cached_stream, "topk:k=3", "landmark:block=4,top=1", hip, long_heads}) {
    Planned run(spec);
    const at::Tensor all = run.logits();
    KvCache cache;
    run.request.past = KvPast::append_to(cache);
    run.request.batch = TokenBatch::single({tokens.begin(), tokens.begin() + 30});
    EXPECT_LT(largest_difference(run.logits()[0], all[0].narrow(0, 0, 30)), spec == hip ? INFINITY : 1e-4) << spec;
    const KvCache kept = cache.select_rows({0});
    for (std::int64_t at = 30; at < 40; ++at) {
      run.request.batch = TokenBatch::single({tokens[static_cast<std::size_t>(at)]});
      const at::Tensor step = run.logits()[0][0];
      EXPECT_LT(largest_difference(step, all[0][at]), spec == hip ? INFINITY : 1e-4) << spec << " at " << at;
    }
    run.request.batch = TokenBatch::single({tokens.begin() + 30, tokens.end()});
    run.request.past = KvPast::read(&kept);
    if (spec == hip) {
      EXPECT_THAT(run.error(), testing::HasSubstr("cannot go on from a shared prefix"));
    } else {
      EXPECT_LT(largest_difference(run.logits()[0], all[0].narrow(0, 30, 10)), 1e-4) << spec;
    }
    run.request.attention = nullptr;
    EXPECT_THAT(run.error(), testing::HasSubstr("was filled under")) << spec;
  }
}

// Attention that places every key within the context takes texts beyond it, and nothing else does.
TEST(Plans, RunBeyondTheContext) {
  const Model& model = Planned(stream).engine.model();
  const std::vector<std::int64_t> tokens = tiny_tokens(static_cast<int>(model.config.n_ctx) + 50, 1);
  for (const char* spec : {cached_stream, long_heads, "window:window=9", "halo:block=8,halo=4"}) {
    Planned run(spec);
    run.request.batch = TokenBatch::single(tokens);
    EXPECT_EQ(run.error(), "") << spec;
  }
  for (const char* spec : {stream, "topk:k=3", "window:window=9@layers=0", "window:window=9@heads=0.1,1.1"}) {
    Planned run(spec);
    run.request.batch = TokenBatch::single(tokens);
    EXPECT_THAT(run.error(), testing::HasSubstr("the model's context")) << spec;
  }
  Planned learned(cached_stream, "gpt2");
  learned.request.batch = TokenBatch::single(tiny_tokens(static_cast<int>(learned.engine.config().n_ctx) + 1, 1));
  EXPECT_THAT(learned.error(), testing::HasSubstr("the model's context"));
  learned.request.beyond_context = true;
  EXPECT_THAT(learned.error(), testing::HasSubstr("the model's context"));
}

TEST(Plans, HonourEditsAndUniformHeads) {
  for (const char* spec : {hip, stream}) {
    Planned run(spec, "gemma");
    const at::Tensor plain = run.logits();
    run.request.capture = {{HookPoint::pattern, 1}, {HookPoint::attn_scores, 1}};
    EXPECT_LT(largest_difference(run.logits(), plain), 1e-4) << spec; // captured, not changed
    Intervention uniform;
    uniform.site = {HookPoint::pattern, 1};
    uniform.head = 2;
    uniform.kind = InterventionKind::uniform;
    run.request.interventions = {uniform};
    const auto changed = run.engine.run(run.request);
    ASSERT_TRUE(changed.ok()) << changed.error().to_string();
    const at::Tensor pattern = *changed->cache.get({HookPoint::pattern, 1}); // of a layer with a window of 5
    EXPECT_LT((pattern[0][2][39].narrow(0, 35, 5) - 0.2).abs().max().item<double>(), 1e-6);
    EXPECT_GT(largest_difference(changed->logits, plain), 1e-3);
  }
  Planned run(long_heads);
  run.request.hooks = {{{HookPoint::rot_k, 1}, [](HookSite, at::Tensor x) { return x; }}};
  EXPECT_THAT(run.error(), testing::HasSubstr("rot_q and rot_k are not what it attends with"));
}

TEST(Plans, StatisticsAreOfThePlan) {
  Planned run("window:window=3@layers=1");
  std::map<int, at::Tensor> sums;
  AttentionStatisticsRequest statistics;
  statistics.distances = {0, 1, 2, 3};
  statistics.done = [&](const AttentionStatistics& found) { sums[found.layer] = found.stripe[0]; };
  run.request.statistics = &statistics;
  (void)run.logits();
  EXPECT_EQ(sums.at(1).select(1, 3).abs().max().item<double>(), 0.0);
  EXPECT_GT(sums.at(0).select(1, 3).abs().min().item<double>(), 0.0);
  EXPECT_GT(sums.at(1).select(1, 2).abs().min().item<double>(), 0.0);
}

// The gradient of a plan that is full attention in other words is that of full attention.
TEST(Plans, AreDifferentiable) {
  for (const char* spec : {"hip:k=20,window=32", "longheads:chunk=20,chunks=3,begin=0", "landmark:block=20,top=4"}) {
    Planned run(spec);
    GradientRequest request;
    request.run = run.request;
    request.metric = [](const at::Tensor& logits) { return logits[0][39][7]; };
    request.gradients = {{HookPoint::k, 0}, {HookPoint::resid_pre, 0}};
    const auto plan = run.engine.run_with_gradients(request);
    ASSERT_TRUE(plan.ok()) << plan.error().to_string();
    request.run.attention = nullptr;
    const auto full = run.engine.run_with_gradients(request);
    for (const HookSite& site : request.gradients)
      EXPECT_LT(largest_difference(*plan->gradients.get(site), *full->gradients.get(site)), 1e-4) << spec;
  }
}

TEST(Comparison, OfFullWithItselfIsNothing) {
  const Planned run("topk:k=40");
  const std::vector<std::int64_t> tokens = tiny_tokens(40, 1);
  const auto full = run_text(run.engine, tokens, nullptr, {}), same = run_text(run.engine, tokens, run.plan.get(), {});
  const auto found = compare_predictions(run.engine, tokens, *full, *same, 10, {});
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  EXPECT_NEAR(found->kl, 0.0, 1e-9);
  RunRequest plain = run.request;
  plain.attention = nullptr;
  const at::Tensor log_p = run.engine.run(plain)->logits[0].to(at::kDouble).log_softmax(-1);
  double nll = 0.0; // predictions 10 to 38, of tokens 11 to 39
  for (std::int64_t i = 10; i < 39; ++i)
    nll -= log_p[i][tokens[static_cast<std::size_t>(i + 1)]].item<double>() / 29.0;
  EXPECT_NEAR(found->nll, nll, 1e-6);
  EXPECT_EQ(compare_predictions(run.engine, tokens, *full, *same, 39, {}).error().field, "skip");
  // A text beyond the context, whose predictions fit into one piece.
  const std::vector<std::int64_t> longer = test::tiny_tokens(run.engine.config().n_ctx + 20, 1);
  const auto beyond = run_text(run.engine, longer, nullptr, {});
  ASSERT_TRUE(beyond.ok()) << beyond.error().to_string();
  const auto measured = compare_predictions(run.engine, longer, *beyond, *beyond, 0, {});
  EXPECT_TRUE(measured.ok()) << measured.error().to_string();
}

TEST(Comparison, MeasuresTheHeadsOfThePlan) {
  const Planned run("window:window=4@heads=1.2");
  const std::vector<std::int64_t> tokens = tiny_tokens(40, 1);
  const auto found = measure_heads(run.engine, tokens, run.plan, 10, {});
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  // Layer 1 is the first that differs, so full attention's pattern there is that of the unchanged model.
  RunRequest plain = run.request;
  plain.attention = nullptr;
  plain.capture = {{HookPoint::pattern, 1}};
  const at::Tensor pattern = run.engine.run(plain)->cache.get({HookPoint::pattern, 1})->select(0, 0).select(0, 2);
  double mass = 0.0, kl = 0.0;
  for (std::int64_t i = 10; i < 40; ++i) {
    const double kept = pattern[i].narrow(0, i - 3, 4).sum().item<double>();
    mass += kept / 30.0;
    kl -= std::log(kept) / 30.0; // the window's pattern is full attention's, divided by what it keeps
  }
  EXPECT_NEAR(found->mass_kept[6], mass, 1e-5);
  EXPECT_NEAR(found->kl[6], kl, 1e-5);
  EXPECT_EQ(found->keys[6], 4.0);
  EXPECT_GT(found->z_error[6], 0.0);
  EXPECT_TRUE(std::isnan(found->mass_kept[5]));
}

} // namespace
} // namespace headscope::mechanisms
