// SPDX-License-Identifier: GPL-3.0-or-later
// Needle prompts, needle spans, copy counting, and the retrieval detector on a model that cannot answer.
#include <cmath>
#include <filesystem>
#include <fstream>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/prompts/retrieval_prompt.h"
#include "plugins/detectors/builtin.h"
#include "plugins/detectors/retrieval_score.h"
#include "tests/engine/tiny_model.h"
#include "tests/new_folder.h"
#include "tests/prompts/word_tokenizer.h"

namespace headscope {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Needles, LengthsAndDepthsAreRoundedEvenSteps) {
  // numpy: np.rint(np.linspace(...)); halves go to the even number.
  EXPECT_THAT(spread(0, 100, 10), ElementsAre(0, 11, 22, 33, 44, 56, 67, 78, 89, 100));
  EXPECT_THAT(spread(1000, 5000, 4), ElementsAre(1000, 2333, 3667, 5000));
  EXPECT_THAT(spread(0, 5, 3), ElementsAre(0, 2, 5));
  EXPECT_THAT(spread(0, 7, 3), ElementsAre(0, 4, 7));
  EXPECT_THAT(spread(300, 700, 1), ElementsAre(300));
}

// Token 0 is a full stop; the needle is 90 91.
std::vector<std::int64_t> inserted(std::int64_t depth, const std::vector<std::int64_t>& context) {
  std::vector<bool> stops;
  for (const std::int64_t token : context)
    stops.push_back(token == 0);
  return insert_needle(context, {90, 91}, depth, stops);
}

TEST(Needles, GoInBackAtTheFullStopBefore) {
  const std::vector<std::int64_t> context = {1, 2, 0, 3, 4, 5, 0, 6, 7, 8};
  EXPECT_THAT(inserted(0, context), ElementsAre(90, 91, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8));
  EXPECT_THAT(inserted(20, context), ElementsAre(90, 91, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8)) << "no full stop before 2";
  EXPECT_THAT(inserted(30, context), ElementsAre(1, 2, 0, 90, 91, 3, 4, 5, 0, 6, 7, 8)) << "already after one";
  EXPECT_THAT(inserted(69, context), ElementsAre(1, 2, 0, 90, 91, 3, 4, 5, 0, 6, 7, 8)) << "int(6.9) = 6";
  EXPECT_THAT(inserted(70, context), ElementsAre(1, 2, 0, 3, 4, 5, 0, 90, 91, 6, 7, 8));
  EXPECT_THAT(inserted(99, context), ElementsAre(1, 2, 0, 3, 4, 5, 0, 90, 91, 6, 7, 8));
  EXPECT_THAT(inserted(100, context), ElementsAre(1, 2, 0, 3, 4, 5, 0, 6, 7, 8, 90, 91)) << "100 appends";
  EXPECT_THAT(inserted(50, {}), ElementsAre(90, 91));
}

std::vector<std::int64_t> counting(std::int64_t first, std::int64_t count) {
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < count; ++i)
    out.push_back(first + i);
  return out;
}

TEST(Needles, AreFoundAtTheFirstWindowThatHoldsMoreThanNineTenths) {
  std::vector<std::int64_t> prompt(7, 1);
  const auto needle = counting(50, 10);
  prompt.insert(prompt.end(), needle.begin(), needle.end());
  prompt.push_back(2);
  auto span = find_needle(prompt, needle);
  ASSERT_TRUE(span);
  EXPECT_EQ(span->begin, 7) << "9 of 10 tokens, a window earlier, are not more than 0.9";
  EXPECT_EQ(span->end, 17);
  prompt[7] = 3; // one token another: 9 of 10
  EXPECT_FALSE(find_needle(prompt, needle));
  EXPECT_FALSE(find_needle({}, needle));
  // Of 20 tokens, 19 are 0.95: the window before the needle already does, as in the authors' code.
  const auto twenty = counting(50, 20);
  std::vector<std::int64_t> longer(7, 1);
  longer.insert(longer.end(), twenty.begin(), twenty.end());
  span = find_needle(longer, twenty);
  ASSERT_TRUE(span);
  EXPECT_EQ(span->begin, 6);
  EXPECT_EQ(span->end, 26);
}

TEST(Needles, TokensAreComparedAsSets) {
  const std::vector<std::int64_t> needle = {50, 51, 50, 51};
  const auto span = find_needle({9, 51, 9, 50, 9}, needle); // scattered, but a window of four has both
  ASSERT_TRUE(span);
  EXPECT_EQ(span->begin, 0);
  EXPECT_EQ(span->end, 4);
}

// ---- Counting copies.

RetrievalPrompt copy_prompt() {
  RetrievalPrompt prompt;
  prompt.ids = {1, 2, 10, 11, 12, 10, 3};
  prompt.needle_ids = {10, 11, 12, 10};
  prompt.span = {2, 6};
  return prompt;
}

ModelConfig two_layers() {
  ModelConfig config;
  config.n_layers = 2;
  config.n_heads = 2;
  return config;
}

// One step: which of `keys` keys each of the four heads attends to most.
void step(CopyCounter& counter, const std::vector<std::int64_t>& looks, std::int64_t token, std::int64_t keys) {
  for (int layer = 0; layer < 2; ++layer) {
    at::Tensor pattern = at::full({1, 2, 1, keys}, 0.01);
    for (std::int64_t head = 0; head < 2; ++head)
      pattern[0][head][0][looks[static_cast<std::size_t>(layer * 2 + head)]] = 0.5;
    counter.see({layer, keys - 1, pattern});
  }
  counter.generated(token);
}

TEST(CopyCounter, CountsAttendedTokensThatAreGeneratedWithinTheNeedle) {
  const RetrievalPrompt prompt = copy_prompt();
  CopyCounter counter(two_layers(), prompt);
  step(counter, {2, 3, 5, 0}, 10, 7); // 0.0 and 1.0 look at a 10 of the needle; 0.1 at 11, 1.1 outside
  step(counter, {3, 3, 5, 3}, 11, 8); // 0.0, 0.1 and 1.1 copy 11; 1.0 still attends to 10
  step(counter, {5, 6, 2, 8}, 10, 9); // 10 again: counted twice by the code, once in the set; 1.1 sees its own output
  step(counter, {6, 6, 6, 1}, 3, 10); // 3 is after the needle
  step(counter, {4, 1, 1, 1}, 2, 11); // 2 is before it, 12 is not what was generated
  EXPECT_THAT(counter.code_score(), ElementsAre(0.75, 0.25, 0.5, 0.25));
  EXPECT_THAT(counter.set_score(),
              ElementsAre(testing::DoubleNear(2.0 / 3, 1e-12), testing::DoubleNear(1.0 / 3, 1e-12),
                          testing::DoubleNear(1.0 / 3, 1e-12), testing::DoubleNear(1.0 / 3, 1e-12)));
  ASSERT_EQ(counter.copies().size(), 7U);
  const CopyCounter::Copy last = counter.copies().back();
  EXPECT_EQ(last.layer, 1);
  EXPECT_EQ(last.head, 0);
  EXPECT_EQ(last.step, 2);
  EXPECT_EQ(last.position, 2);
  EXPECT_EQ(last.token, 10);
}

TEST(CopyCounter, CodeScoreMayPassOneWhereTheSetScoreCannot) {
  const RetrievalPrompt prompt = copy_prompt();
  CopyCounter counter(two_layers(), prompt);
  for (std::int64_t i = 0; i < 6; ++i)
    step(counter, {2, 0, 0, 0}, 10, 7 + i);
  EXPECT_DOUBLE_EQ(counter.code_score()[0], 1.5);
  EXPECT_DOUBLE_EQ(counter.set_score()[0], 1.0 / 3);
}

TEST(CopyCounter, LooksAtTheLastQueryOfATile) {
  const RetrievalPrompt prompt = copy_prompt();
  CopyCounter counter(two_layers(), prompt);
  at::Tensor pattern = at::zeros({1, 2, 2, 8});
  pattern[0][0][0][2] = 1.0;
  pattern[0][0][1][3] = 1.0;
  counter.see({0, 6, pattern});
  counter.generated(11);
  EXPECT_DOUBLE_EQ(counter.code_score()[0], 0.25);
}

// ---- The detector on a model with random weights, whose answers are never the needle.

class RetrievalDetectorTest : public testing::Test {
protected:
  void SetUp() override {
    folder_ = test::new_folder();
    std::ofstream out(text());
    for (int i = 0; i < 300; ++i)
      out << (i == 0 ? "" : " ") << "word" << (i * i * 7 + i) % 31 << (i % 5 == 4 ? "." : "");
    auto model = test::tiny_model("llama");
    model->config.d_vocab = 400;
    model->config.n_ctx = 400;
    model->weights.w_e = at::randn({400, 16});
    model->weights.w_u = at::randn({400, 16});
    tokenizer_ = std::make_shared<test::WordTokenizer>();
    model->tokenizer = tokenizer_;
    engine_ = std::make_unique<Engine>(model);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string text() const { return (folder_ / "text.txt").string(); }

  Result<DetectorResult> run(const std::vector<std::pair<std::string, std::string>>& set, RunControl control = {}) const {
    const auto detector = make_retrieval_detector();
    OptionSet options(detector->options());
    for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
             {"length_min", "100"}, {"length_max", "200"}, {"lengths", "2"}, {"reserve", "40"}, {"new_tokens", "4"}})
      EXPECT_TRUE(options.set(name, value).ok());
    for (const auto& [name, value] : set)
      EXPECT_TRUE(options.set(name, value).ok()) << name;
    return detector->run({*engine_, options, text(), std::move(control)});
  }

  static std::vector<std::int64_t> column(const DetectorResult& result, std::size_t table, std::size_t index) {
    return std::get<std::vector<std::int64_t>>(result.tables[table].table.columns[index].values);
  }

  std::filesystem::path folder_;
  std::shared_ptr<test::WordTokenizer> tokenizer_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(RetrievalDetectorTest, WithNoRunKeptThereAreNoScores) {
  const auto result = run({});
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  for (const float score : result->scores)
    EXPECT_TRUE(std::isnan(score));
  for (const ScoreMap& map : result->maps)
    EXPECT_TRUE(std::isnan(map.values[0])) << map.name;
  EXPECT_TRUE(result->heads.empty());
  EXPECT_TRUE(result->complete);
  EXPECT_THAT(result->message, HasSubstr("none of 18 runs; there are no scores"));
  EXPECT_EQ(std::get<std::int64_t>(*store::find_attribute(result->findings, "runs")), 18);
  EXPECT_EQ(std::get<std::int64_t>(*store::find_attribute(result->findings, "runs_kept")), 0);
  EXPECT_EQ(store::find_attribute(result->findings, "split_half_rank_correlation"), nullptr);
  EXPECT_EQ(result->prompts.size(), 18U);
}

TEST_F(RetrievalDetectorTest, PromptsHideTheNeedleWhereTheTablesSay) {
  const auto result = run({{"needles", "1"}});
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_THAT(column(*result, 0, 1), ElementsAre(100, 100, 100, 200, 200, 200));
  EXPECT_THAT(column(*result, 0, 2), ElementsAre(0, 50, 100, 0, 50, 100));
  const auto begins = column(*result, 0, 5), ends = column(*result, 0, 6);
  const Needle needle = default_needles()[0];
  for (std::size_t i = 0; i < 6; ++i) {
    const store::Prompt& prompt = result->prompts[i];
    EXPECT_THAT(prompt.text, HasSubstr(needle.needle));
    EXPECT_THAT(prompt.text, HasSubstr(needle.question));
    EXPECT_THAT(prompt.text, testing::EndsWith("\nAnswer:"));
    std::string found;
    for (std::int64_t at = begins[i]; at < ends[i]; ++at)
      found += tokenizer_->text(prompt.token_ids[static_cast<std::size_t>(at)]);
    EXPECT_THAT(found, HasSubstr("a pear sandwich and sit under the blue clock")) << i;
    if (i % 3 == 1) {
      const auto at = prompt.text.find(" " + needle.needle);
      ASSERT_NE(at, std::string::npos);
      EXPECT_EQ(prompt.text[at - 1], '.') << "after a full stop";
    }
  }
  EXPECT_LT(begins[0], begins[1]);
  EXPECT_LT(begins[1], begins[2]);
}

TEST_F(RetrievalDetectorTest, RunsThatCannotWorkAreRefusedBeforeTheFirst) {
  RunControl control;
  control.progress = [](const Progress&) { ADD_FAILURE() << "a run was begun"; };
  auto refused = run({{"length_max", "330"}, {"new_tokens", "100"}}, control);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().field, "retrieval.length_max");
  EXPECT_THAT(refused.error().message, HasSubstr("context of 400"));
  refused = run({{"length_min", "50"}}, control);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("no room"));
  refused = run({{"length_max", "600"}}, control);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().field, "haystack");
  refused = run({{"chat", "on"}}, control);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::not_found) << refused.error().to_string();
}

TEST_F(RetrievalDetectorTest, ACancelledRunKeepsWhatWasMeasured) {
  RunControl control;
  control.progress = [cancel = control.cancel](const Progress& progress) {
    EXPECT_EQ(progress.total, 18);
    if (progress.done == 2) cancel.cancel();
  };
  const auto part = run({}, control);
  ASSERT_TRUE(part.ok()) << part.error().to_string();
  EXPECT_FALSE(part->complete);
  EXPECT_EQ(part->prompts.size(), 2U);
  EXPECT_EQ(column(*part, 0, 0).size(), 2U);
  const auto nothing = run({}, control);
  ASSERT_FALSE(nothing.ok());
  EXPECT_EQ(nothing.error().code, ErrorCode::cancelled);
}

} // namespace
} // namespace headscope
