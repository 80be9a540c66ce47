// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/tasks/ioi.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/prompts/word_tokenizer.h"

namespace headscope {
namespace {

using testing::HasSubstr;

std::string text_at(const Tokenizer& tokenizer, const std::vector<std::int64_t>& ids, std::int64_t position) {
  return tokenizer.text(ids[static_cast<std::size_t>(position)]);
}

TEST(IoiTask, CasesAreAligned) {
  const test::WordTokenizer tokenizer;
  const auto task = make_ioi_task(tokenizer, {.count = 300, .seed = 1});
  ASSERT_TRUE(task.ok()) << task.error().to_string();
  ASSERT_EQ(task->cases.size(), 300u);
  EXPECT_TRUE(task->dropped.empty());
  std::set<std::string> texts, orders;
  for (const IoiCase& item : task->cases) {
    SCOPED_TRACE(item.clean);
    texts.insert(item.clean);
    orders.insert(item.order);
    EXPECT_EQ(text_at(tokenizer, item.clean_ids, item.io_position), item.answer);
    EXPECT_EQ(text_at(tokenizer, item.clean_ids, item.s1_position), item.wrong);
    EXPECT_EQ(text_at(tokenizer, item.clean_ids, item.s2_position), item.wrong);
    EXPECT_EQ(item.order == "ABBA", item.io_position < item.s1_position);
    EXPECT_LT(item.s1_position, item.s2_position);
    EXPECT_EQ(text_at(tokenizer, item.flip_ids, item.s2_position), item.answer);
    EXPECT_EQ(item.clean_ids.size(), item.abc_ids.size());
    EXPECT_EQ(item.clean_ids.size(), item.flip_ids.size());
    // Three different names, none of them the clean prompt's.
    std::set<std::string> names = {item.answer, item.wrong};
    for (const std::int64_t position : {item.io_position, item.s1_position, item.s2_position})
      names.insert(text_at(tokenizer, item.abc_ids, position));
    EXPECT_EQ(names.size(), 5u);
    for (std::size_t i = 0; i < item.clean_ids.size(); ++i) {
      const auto p = static_cast<std::int64_t>(i);
      if (p == item.io_position || p == item.s1_position || p == item.s2_position) continue;
      EXPECT_EQ(item.clean_ids[i], item.abc_ids[i]);
      EXPECT_EQ(item.clean_ids[i], item.flip_ids[i]);
    }
    EXPECT_NE(item.clean.back(), ' ');
    EXPECT_EQ(item.clean.find('{'), std::string::npos);
  }
  EXPECT_EQ(texts.size(), 300u);
  EXPECT_EQ(orders, (std::set<std::string>{"ABBA", "BABA"}));
}

TEST(IoiTask, DependsOnTheSeedAndNothingElse) {
  const test::WordTokenizer tokenizer;
  const auto texts = [&](std::uint64_t seed) {
    std::vector<std::string> out;
    const IoiTask task = make_ioi_task(tokenizer, {.count = 20, .seed = seed}).value();
    for (const IoiCase& item : task.cases)
      out.push_back(item.clean);
    return out;
  };
  EXPECT_EQ(texts(4), texts(4));
  EXPECT_NE(texts(4), texts(5));
}

TEST(IoiTask, OneOrderOnly) {
  const test::WordTokenizer tokenizer;
  for (const bool abba : {true, false}) {
    const IoiTask task = make_ioi_task(tokenizer, {.count = 30, .abba = abba, .baba = !abba}).value();
    for (const IoiCase& item : task.cases)
      EXPECT_EQ(item.order, abba ? "ABBA" : "BABA");
  }
}

TEST(IoiTask, WordsOfSeveralTokensAreDroppedAndNamed) {
  const test::WordTokenizer tokenizer({" Mary", " garden"});
  const auto task = make_ioi_task(tokenizer, {.count = 200}).value();
  ASSERT_EQ(task.dropped.size(), 2u);
  EXPECT_EQ(task.dropped[0].text, "Mary");
  EXPECT_EQ(task.dropped[1].text, "garden");
  for (const IoiCase& item : task.cases) {
    EXPECT_THAT(item.clean, testing::Not(HasSubstr(" Mary")));
    EXPECT_THAT(item.abc, testing::Not(HasSubstr(" Mary")));
    EXPECT_THAT(item.clean, testing::Not(HasSubstr(" garden")));
  }
}

// A tokenizer that writes every word as single letters.
class LetterTokenizer : public test::WordTokenizer {
public:
  Result<std::vector<std::int64_t>> encode(std::string_view utf8, TokenizeOptions) const override {
    return std::vector<std::int64_t>(utf8.begin(), utf8.end());
  }
};

// One that gives a name after a full stop another id, so that the subject is not the same token twice.
class SentenceTokenizer : public test::WordTokenizer {
public:
  Result<std::vector<std::int64_t>> encode(std::string_view utf8, TokenizeOptions options) const override {
    HS_ASSIGN(auto ids, WordTokenizer::encode(utf8, options));
    for (std::size_t i = 1; i < ids.size(); ++i)
      if (text(ids[i - 1]) == ".") ids[i] += 100000;
    return ids;
  }
};

TEST(IoiTask, RefusesATokenizerWithoutWholeNames) {
  const auto task = make_ioi_task(LetterTokenizer(), {});
  ASSERT_FALSE(task.ok());
  EXPECT_EQ(task.error().code, ErrorCode::unsupported);
  EXPECT_THAT(task.error().message, HasSubstr("names"));
}

TEST(IoiTask, MisalignedCasesAreDroppedWithTheReason) {
  const auto task = make_ioi_task(SentenceTokenizer(), {.count = 50});
  ASSERT_TRUE(task.ok()) << task.error().to_string();
  EXPECT_EQ(task->cases.size(), 50u);
  ASSERT_FALSE(task->dropped.empty());
  for (const IoiDropped& dropped : task->dropped) {
    EXPECT_THAT(dropped.text, HasSubstr(". "));
    EXPECT_THAT(dropped.reason, HasSubstr("not the same single token"));
  }
  for (const IoiCase& item : task->cases)
    EXPECT_THAT(item.clean, testing::Not(HasSubstr("." + item.wrong)));
}

TEST(IoiTask, RefusesEmptyRequests) {
  const test::WordTokenizer tokenizer;
  EXPECT_EQ(make_ioi_task(tokenizer, {.count = 0}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(make_ioi_task(tokenizer, {.abba = false, .baba = false}).error().code, ErrorCode::invalid_argument);
}

TEST(IoiTask, BecomesPromptsAndPairs) {
  const test::WordTokenizer tokenizer;
  const auto task = make_ioi_task(tokenizer, {.count = 3}).value();
  const auto prompts = ablation_prompts(task);
  const auto flip = patch_pairs(task, IoiCorruption::flip), abc = patch_pairs(task, IoiCorruption::abc);
  ASSERT_EQ(prompts.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(prompts[i].tokens, task.cases[i].clean_ids);
    EXPECT_EQ(prompts[i].answers.answer, std::vector<std::int64_t>{task.cases[i].answer_id});
    EXPECT_EQ(prompts[i].answers.wrong, std::vector<std::int64_t>{task.cases[i].wrong_id});
    EXPECT_EQ(flip[i].corrupt, task.cases[i].flip_ids);
    EXPECT_EQ(abc[i].corrupt, task.cases[i].abc_ids);
    EXPECT_EQ(abc[i].clean, task.cases[i].clean_ids);
  }
}

} // namespace
} // namespace headscope
