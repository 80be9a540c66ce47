// SPDX-License-Identifier: GPL-3.0-or-later
// Path patching at the last token against the plain forward pass of tests/golden/plain_model.py, and against path
// patching in general.
#include "core/circuits/last_token_paths.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "core/circuits/path_patching.h"
#include "tests/circuits/golden.h"

namespace headscope {
namespace {

using test::must;

// Models without pairs of their own (with norms after attention and MLP) use the first model's.
test::Golden load(const std::string& name) {
  if (name.starts_with("gpt") || name == "llama") return test::load_golden(name);
  auto model = must(load_model(std::string(HEADSCOPE_GOLDEN_DIR) + "/models/" + name, {}));
  const ComputationalGraph graph(graph_shape(model->config));
  return {nlohmann::json::object(), Engine(model), graph, test::load_golden("gpt2").task};
}

// Makes one pair more than is run at once, of two lengths.
std::vector<PatchPair> many_pairs(const test::Golden& golden) {
  std::vector<PatchPair> pairs;
  for (std::size_t i = 0; i < 17; ++i) {
    PatchPair pair = golden.task.pairs[i % golden.task.pairs.size()];
    if (i % 3 == 1) {
      pair.clean.erase(pair.clean.begin());
      pair.corrupt.erase(pair.corrupt.begin());
    }
    pairs.push_back(pair);
  }
  return pairs;
}

void expect_equal(const LastTokenEffects& found, const PathEffects& expected, const ComputationalGraph& graph) {
  ASSERT_FALSE(expected.senders.empty());
  for (std::size_t i = 0; i < expected.senders.size(); ++i) {
    const Sender& sender = graph.senders()[static_cast<std::size_t>(expected.senders[i])];
    const auto cell = static_cast<std::size_t>(sender.layer * found.n_heads + sender.head);
    EXPECT_NEAR(found.mean_effects()[cell], expected.mean(i), 1e-5) << graph.sender_name(expected.senders[i]);
  }
}

class LastToken : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Golden, LastToken,
                         testing::Values("gpt2", "llama", "gpt_neox", "gpt_neox_serial", "gemma2", "gemma3"),
                         [](const auto& name) { return name.param; });

TEST_P(LastToken, PathsToTheLogits) {
  const test::Golden golden = load(GetParam());
  for (const bool through : {true, false}) {
    PathOptions general;
    general.receivers = {must(golden.graph.find_receiver("logits"))};
    general.through_mlps = through;
    CircuitTask task = golden.task;
    task.pairs = many_pairs(golden);
    LastTokenPaths options;
    options.through_mlps = through;
    const LastTokenEffects found = must(patch_last_token_paths(golden.engine, task.pairs, options));
    const PathEffects expected = must(patch_paths(golden.engine, golden.graph, task, general));
    expect_equal(found, expected, golden.graph);
    for (std::size_t i = 0; i < task.pairs.size(); ++i)
      EXPECT_NEAR(found.clean[i], expected.clean[i], 1e-5);
  }
}

// Nothing reads what the last layer writes at other tokens.
TEST_P(LastToken, PathsToQueriesOfTheLastLayer) {
  const test::Golden golden = load(GetParam());
  const int last = static_cast<int>(golden.graph.shape().n_layers) - 1;
  const auto heads = static_cast<int>(golden.graph.shape().n_heads);
  PathOptions general;
  LastTokenPaths options;
  for (const int head : {0, heads - 1}) {
    general.receivers.push_back(golden.graph.receiver(ReceiverKind::q, last, head));
    options.queries.push_back({last, head});
  }
  CircuitTask task = golden.task;
  task.pairs = many_pairs(golden);
  const LastTokenEffects found = must(patch_last_token_paths(golden.engine, task.pairs, options));
  expect_equal(found, must(patch_paths(golden.engine, golden.graph, task, general)), golden.graph);
  for (int head = 0; head < heads; ++head)
    EXPECT_TRUE(std::isnan(found.mean_effects()[static_cast<std::size_t>(last * heads + head)]));
}

class LastTokenGolden : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Golden, LastTokenGolden, testing::Values("gpt2", "llama", "gpt_neox", "gpt_neox_serial"),
                         [](const auto& name) { return name.param; });

TEST_P(LastTokenGolden, PathsToTheLogits) {
  const test::Golden golden = test::load_golden(GetParam());
  for (const auto& wanted : golden.data.at("paths")) {
    if (wanted.at("receivers") != nlohmann::json::array({"logits"})) continue;
    for (const bool through : {true, false}) {
      LastTokenPaths options;
      options.through_mlps = through;
      const std::vector<double> found =
          must(patch_last_token_paths(golden.engine, golden.task.pairs, options)).mean_effects();
      std::size_t compared = 0;
      for (const auto& [name, effect] : wanted.at(through ? "mlps" : "direct").items()) {
        const Sender sender = golden.graph.senders()[static_cast<std::size_t>(must(golden.graph.find_sender(name)))];
        EXPECT_NEAR(found[static_cast<std::size_t>(sender.layer * golden.graph.shape().n_heads + sender.head)],
                    effect.get<double>(), 1e-4)
            << name;
        ++compared;
      }
      EXPECT_EQ(compared, found.size());
    }
  }
}

TEST(LastTokenKnockOut, HeadsWriteTheirMeanOverTheCorruptPrompts) {
  const test::Golden golden = test::load_golden("llama");
  const std::vector<PatchPair>& pairs = golden.task.pairs;
  const HeadId out{0, 1};
  const auto z_of = [&](const std::vector<std::int64_t>& ids) {
    RunRequest request;
    request.batch = TokenBatch::single(ids);
    request.capture = {{HookPoint::z, out.layer}};
    return must(must(golden.engine.run(request)).cache.get(request.capture.front()))[0][-1][out.head].clone();
  };
  at::Tensor mean = z_of(pairs[0].corrupt);
  for (std::size_t i = 1; i < pairs.size(); ++i)
    mean = mean + z_of(pairs[i].corrupt);
  mean = mean / static_cast<double>(pairs.size());
  LastTokenPaths options;
  options.knocked_out = {out};
  const LastTokenEffects found = must(patch_last_token_paths(golden.engine, pairs, options));
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    RunRequest request;
    request.batch = TokenBatch::single(pairs[i].clean);
    request.until = LogitRows::last;
    Intervention set;
    set.site = {HookPoint::z, out.layer};
    set.kind = InterventionKind::set;
    set.head = out.head;
    set.positions = {static_cast<std::int64_t>(pairs[i].clean.size()) - 1};
    set.value = mean;
    request.interventions = {set};
    const at::Tensor logits = must(golden.engine.run(request)).logits[0];
    EXPECT_NEAR(found.clean[i], (logits[pairs[i].answers.answer[0]] - logits[pairs[i].answers.wrong[0]]).item<double>(),
                1e-5);
    // The head writes the same on both prompts.
    EXPECT_NEAR(found.effects[i * static_cast<std::size_t>(found.n_layers * found.n_heads) +
                              static_cast<std::size_t>(out.head)],
                0.0, 1e-6);
  }
}

TEST(LastTokenErrors, NameWhatIsWrong) {
  const test::Golden golden = test::load_golden("llama");
  LastTokenPaths options;
  options.queries = {{99, 0}};
  EXPECT_EQ(patch_last_token_paths(golden.engine, golden.task.pairs, options).error().field, "99.0");
  std::vector<PatchPair> pairs = golden.task.pairs;
  pairs[0].answers.wrong.clear();
  EXPECT_EQ(patch_last_token_paths(golden.engine, pairs, {}).error().code, ErrorCode::invalid_argument);
  pairs = golden.task.pairs;
  pairs[0].corrupt.pop_back();
  EXPECT_EQ(patch_last_token_paths(golden.engine, pairs, {}).error().code, ErrorCode::mismatch);
}

} // namespace
} // namespace headscope
