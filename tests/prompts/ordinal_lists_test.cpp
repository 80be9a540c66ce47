// SPDX-License-Identifier: GPL-3.0-or-later
// Ordinal lists as single tokens.
#include "core/prompts/ordinal_lists.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/prompts/word_tokenizer.h"

namespace headscope {
namespace {

using testing::ElementsAre;

std::vector<std::string> names_of_pairs(const TokenList& list) {
  std::vector<std::string> out;
  for (const OrdinalPair& pair : list.pairs)
    out.push_back(list.words[static_cast<std::size_t>(pair.from)] + ">" +
                  list.words[static_cast<std::size_t>(pair.to)]);
  return out;
}

TEST(OrdinalLists, AreThoseOfThePaperWithRomanNumeralsHeldOut) {
  std::vector<std::string> sizes;
  for (const OrdinalList& list : ordinal_lists())
    sizes.push_back(list.name + " " + std::to_string(list.words.size()) + (list.wraps ? " wraps" : "") +
                    (list.held_out ? " held out" : ""));
  EXPECT_THAT(sizes,
              ElementsAre("numbers 200", "number_words 20", "ordinals 10", "days 7 wraps", "months 12 wraps",
                          "day_abbreviations 7", "month_abbreviations 12", "letters 26", "roman_numerals 20 held out"));
  EXPECT_EQ(ordinal_lists()[0].words.back(), "200");
  EXPECT_EQ(ordinal_lists()[7].words.back(), "Z");
}

TEST(OrdinalLists, TokensHaveALeadingSpace) {
  const test::WordTokenizer tokenizer;
  const TokenList list = tokenise_list({"three", {"a", "b", "c"}}, tokenizer);
  ASSERT_EQ(list.tokens.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_EQ(tokenizer.text(list.tokens[i]), " " + list.words[i]);
  EXPECT_THAT(names_of_pairs(list), ElementsAre("a>b", "b>c"));
  EXPECT_TRUE(list.dropped.empty());
}

TEST(OrdinalLists, AListThatWrapsGoesFromItsLastToItsFirst) {
  const TokenList list = tokenise_list({"three", {"a", "b", "c"}, true}, test::WordTokenizer());
  EXPECT_THAT(names_of_pairs(list), ElementsAre("a>b", "b>c", "c>a"));
}

TEST(OrdinalLists, PairsThatAreNotSingleTokensAreDroppedAndNamed) {
  const test::WordTokenizer tokenizer({" bb"});
  const TokenList list = tokenise_list({"four", {"a", "bb", "c", "d"}, true}, tokenizer);
  EXPECT_THAT(list.words, ElementsAre("a", "c", "d"));
  EXPECT_THAT(names_of_pairs(list), ElementsAre("c>d", "d>a")) << "a is not followed by c";
  EXPECT_THAT(list.dropped, ElementsAre("a -> bb: ' bb' is 2 tokens", "bb -> c: ' bb' is 2 tokens"));
}

// Puts "▁" before a text itself, as SentencePiece tokenizers do: " a" would be two of its tokens.
class DummyPrefix : public test::WordTokenizer {
public:
  Result<std::vector<std::int64_t>> encode(std::string_view text, TokenizeOptions) const override {
    if (text.substr(0, 1) == " ") return std::vector<std::int64_t>{0, 1};
    return std::vector<std::int64_t>{text == "joined" ? 5 : 6};
  }
  std::string piece(std::int64_t id) const override { return id == 6 ? "\xE2\x96\x81word" : "joined"; }
};

TEST(OrdinalLists, ATokenizerThatPutsTheSpaceItselfIsGivenTheBareWord) {
  const TokenList list = tokenise_list({"two", {"a", "joined"}}, DummyPrefix());
  EXPECT_THAT(list.words, ElementsAre("a"));
  EXPECT_THAT(list.tokens, ElementsAre(6));
  EXPECT_THAT(list.dropped, ElementsAre("a -> joined: ' joined' is 2 tokens"));
}

} // namespace
} // namespace headscope
