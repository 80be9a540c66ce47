// SPDX-License-Identifier: GPL-3.0-or-later
// The rules of each task, checked on its texts by other code than that which makes them.
#include "core/prompts/tasks/task.h"

#include <algorithm>
#include <regex>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/prompts/tasks/alignment.h"
#include "core/prompts/tasks/key_positions.h"
#include "tests/prompts/tokenizers.h"

namespace headscope {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

std::vector<TaskExample> examples(const std::string& name, const std::string& counterfactual = {},
                                  const std::string& variant = {}) {
  const auto set = make_task(test::gpt2_like(), {name, counterfactual, variant, 40, 3});
  EXPECT_TRUE(set.ok()) << set.error().to_string();
  std::vector<TaskExample> out;
  if (!set.ok()) return out;
  EXPECT_EQ(set->cases.size(), 40u);
  for (const TaskCase& each : set->cases)
    out.push_back(each.example);
  return out;
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;)
    words.push_back(word);
  return words;
}

// Indices of the words that differ.
std::vector<std::size_t> changed(const TaskExample& example) {
  const auto a = words_of(example.clean), b = words_of(example.corrupted);
  EXPECT_EQ(a.size(), b.size());
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    if (a[i] != b[i]) out.push_back(i);
  return out;
}

// The word with a leading space.
std::string spaced(const std::string& word) { return std::string(1, ' ').append(word); }

std::smatch parsed(const std::string& text, const char* pattern) {
  std::smatch match;
  EXPECT_TRUE(std::regex_match(text, match, std::regex(pattern))) << text;
  return match;
}

TEST(Tasks, Ioi) {
  for (const TaskExample& example : examples("ioi", "flip", "BABA")) {
    SCOPED_TRACE(example.clean);
    EXPECT_EQ(example.variant, "BABA");
    EXPECT_EQ(changed(example).size(), 1u);
    EXPECT_LT(example.clean.find(example.wrong[0]), example.clean.find(example.answer[0]));
  }
  for (const TaskExample& example : examples("ioi"))
    EXPECT_EQ(changed(example).size(), 3u) << example.clean;
}

TEST(Tasks, GreaterThan) {
  for (const TaskExample& example : examples("greater-than")) {
    SCOPED_TRACE(example.clean);
    const std::string pattern = "The \\w+ lasted from the year (\\d\\d)(\\d\\d) to the year (\\d\\d)";
    std::smatch match, other;
    ASSERT_TRUE(std::regex_match(example.clean, match, std::regex(pattern)));
    ASSERT_TRUE(std::regex_match(example.corrupted, other, std::regex(pattern)));
    EXPECT_EQ(match[1], match[3]);
    EXPECT_EQ(other[1], match[1]);
    EXPECT_EQ(other[2], "01");
    const int year = std::stoi(match[2]);
    EXPECT_EQ(example.answer.size() + example.wrong.size(), 98u); // 02 to 99
    for (const std::string& answer : example.answer)
      EXPECT_GT(std::stoi(answer), year);
    for (const std::string& wrong : example.wrong)
      EXPECT_LE(std::stoi(wrong), year);
  }
}

TEST(Tasks, GreaterThanByDigit) {
  const auto set = make_task(test::digit_tokens(), {"greater_than", {}, {}, 40, 3});
  ASSERT_TRUE(set.ok()) << set.error().to_string();
  for (const TaskCase& each : set->cases) {
    const TaskExample& example = each.example;
    SCOPED_TRACE(example.clean);
    const std::string year = words_of(example.clean)[6];
    EXPECT_EQ(example.answer.size() + example.wrong.size(), 9u);
    for (const std::string& answer : example.answer)
      EXPECT_GT(answer[0], year[2]);
    for (const std::string& wrong : example.wrong)
      EXPECT_LT(wrong[0], year[2]);
    EXPECT_FALSE(example.answer.empty() && example.wrong.empty());
  }
}

TEST(Tasks, GenderedPronoun) {
  const std::set<std::string> women = {"Mary", "Lisa", "Anna", "Sarah", "Emily"},
                              men = {"John", "David", "Paul", "Peter", "George"};
  bool found = false;
  for (const TaskExample& example : examples("gendered_pronoun")) {
    SCOPED_TRACE(example.clean);
    EXPECT_THAT(changed(example), ElementsAre(1u));
    EXPECT_THAT(example.clean, testing::EndsWith(", isn't"));
    EXPECT_THAT((std::vector<std::string>{example.answer[0], example.wrong[0]}), UnorderedElementsAre(" he", " she"));
    const std::string name = words_of(example.clean)[1], other = words_of(example.corrupted)[1];
    if (women.contains(name) || men.contains(other)) {
      EXPECT_EQ(example.answer[0], " she");
    }
    if (men.contains(name) || women.contains(other)) {
      EXPECT_EQ(example.answer[0], " he");
    }
    found = found || women.contains(name) || men.contains(name);
  }
  EXPECT_TRUE(found);
  for (const TaskExample& example : examples("gendered_pronoun", {}, "she"))
    EXPECT_EQ(example.answer[0], " she");
}

TEST(Tasks, Docstring) {
  for (const char* counterfactual : {"def_doc", "def", "doc"}) {
    for (const TaskExample& example : examples("docstring", counterfactual)) {
      SCOPED_TRACE(example.clean);
      const char* pattern = "def (\\w+)\\(self, (\\w+), (\\w+), (\\w+), (\\w+)\\):\n    \"\"\"\\w+ \\w+ \\w+\n\n"
                            "    :param (\\w+): \\w+ \\w+\n    :param (\\w+): \\w+ \\w+\n    :param";
      const std::smatch clean = parsed(example.clean, pattern), corrupt = parsed(example.corrupted, pattern);
      EXPECT_EQ(clean[6], clean[2]);
      EXPECT_EQ(clean[7], clean[3]);
      EXPECT_EQ(example.answer[0], spaced(clean[4].str()));
      EXPECT_THAT(example.wrong,
                  UnorderedElementsAre(spaced(clean[2].str()), spaced(clean[3].str()), spaced(clean[5].str())));
      const bool def = std::string(counterfactual) != "doc", doc = std::string(counterfactual) != "def";
      for (int i = 2; i <= 5; ++i)
        EXPECT_EQ(clean[i] != corrupt[i], def);
      for (int i = 6; i <= 7; ++i)
        EXPECT_EQ(clean[i] != corrupt[i], doc);
      if (def) {
        EXPECT_EQ(example.corrupted.find(example.answer[0] + ","), std::string::npos);
      }
    }
  }
}

TEST(Tasks, ColoredObjects) {
  const char* pattern =
      "Q: On the \\w+, there is a \\w+ \\w+, a \\w+ \\w+, and a \\w+ \\w+. What color is the \\w+\\?\nA: \\w+\n\n"
      "Q: On the \\w+, there is a (\\w+) (\\w+), a (\\w+) (\\w+), and a (\\w+) (\\w+). What color is the (\\w+)\\?\nA:";
  const auto color_of = [&](const std::string& text) {
    const std::smatch match = parsed(text, pattern);
    for (int i = 2; i <= 6; i += 2)
      if (match[i] == match[7]) return spaced(match[i - 1].str());
    return std::string("none");
  };
  for (const TaskExample& example : examples("colored_objects")) {
    SCOPED_TRACE(example.clean);
    EXPECT_EQ(example.answer[0], color_of(example.clean));
    EXPECT_EQ(example.wrong[0], color_of(example.corrupted));
    EXPECT_EQ(changed(example).size(), 1u);
  }
  for (const TaskExample& example : examples("colored_objects", "colors")) {
    EXPECT_EQ(example.answer[0], color_of(example.clean));
    EXPECT_EQ(changed(example).size(), 3u);
    EXPECT_EQ(example.wrong.size(), 2u);
  }
}

// The prompt as the authors write it, and where its words are.
TEST(Tasks, ColoredObjectsAsPublished) {
  const char* pattern =
      "Q: On the \\w+, (?:there is|you see|I see) an? \\w+ \\w+, an? \\w+ \\w+, and an? \\w+ \\w+. "
      "What color is the \\w+\\?\nA: [A-Z][a-z]+\n"
      "Q: On the \\w+, (?:there is|you see|I see) an? (\\w+) (\\w+), an? (\\w+) (\\w+), and an? (\\w+) "
      "(\\w+). What color is the (\\w+)\\?\nA:";
  for (const TaskExample& example : examples("colored_objects", {}, "published")) {
    SCOPED_TRACE(example.clean);
    const std::smatch match = parsed(example.clean, pattern);
    std::vector<std::string> wrong, spans;
    std::string answer;
    for (int i = 2; i <= 6; i += 2)
      (match[i] == match[7] ? answer : wrong.emplace_back()) = match[i - 1].str();
    std::string capital = " " + answer;
    capital[1] = static_cast<char>(std::toupper(capital[1]));
    EXPECT_THAT(example.answer, ElementsAre(capital));
    EXPECT_EQ(example.wrong.size(), 1u);
    EXPECT_EQ(changed(example).size(), 1u);
    EXPECT_EQ(example.clean.find("a orange"), std::string::npos);
    for (const TaskSpan& span : example.spans) {
      const std::string word = example.clean.substr(span.begin, span.end - span.begin);
      EXPECT_GT(span.begin, example.clean.find("\nQ:"));
      if (span.name == "wrong")
        spans.push_back(word);
      else
        EXPECT_EQ(word, answer);
    }
    EXPECT_EQ(spans, wrong);
  }
  EXPECT_EQ(make_task(test::gpt2_like(), {"colored_objects", "colors", "published", 4, 0}).error().code,
            ErrorCode::unsupported);
  for (const TaskExample& example : examples("colored_objects")) // not mixed in where none is asked for
    EXPECT_EQ(example.variant, "lower");
}

TEST(Tasks, KeyPositions) {
  const auto tokenizer = test::gpt2_like();
  const auto objects = make_task(tokenizer, {"colored_objects", "object", "published", 10, 1});
  ASSERT_TRUE(objects.ok());
  for (const TaskCase& item : objects->cases) {
    const auto wrong = key_positions(tokenizer, item, "wrong"), answer = key_positions(tokenizer, item, "answer");
    ASSERT_EQ(wrong->size(), 2u);
    ASSERT_EQ(answer->size(), 1u);
    const std::int64_t id = item.tokens.clean[static_cast<std::size_t>(answer->front())];
    std::string text = tokenizer.decode(std::span(&id, 1), false);
    text[1] = static_cast<char>(std::toupper(text[1]));
    EXPECT_EQ(text, item.example.answer[0]);
    EXPECT_EQ(*key_positions(tokenizer, item, "first"), std::vector<std::int64_t>{0});
    EXPECT_EQ(key_positions(tokenizer, item, "last")->front() + 1, std::ssize(item.tokens.clean));
    EXPECT_THAT(key_positions(tokenizer, item, "S").error().message, HasSubstr("wrong"));
  }
  const auto ioi = make_task(tokenizer, {"ioi", "flip", {}, 10, 1}); // no spans: where the answers' tokens are
  ASSERT_TRUE(ioi.ok());
  for (const TaskCase& item : ioi->cases) {
    EXPECT_EQ(key_positions(tokenizer, item, "wrong")->size(), 2u); // the subject, twice
    EXPECT_EQ(key_positions(tokenizer, item, "answer")->size(), 1u);
  }
}

TEST(Tasks, MultipleChoice) {
  const std::set<std::string> fruit = {"apple", "banana", "orange", "grape", "lemon", "peach"};
  const char* pattern =
      "Question: Which of these is a kind of (\\w+)\\?\nA. (\\w+)\nB. (\\w+)\nC. (\\w+)\nD. (\\w+)\nAnswer:";
  int fruits = 0;
  for (const char* counterfactual : {"swap", "question"}) {
    for (const TaskExample& example : examples("multiple_choice", counterfactual)) {
      SCOPED_TRACE(example.clean);
      const std::smatch clean = parsed(example.clean, pattern), corrupt = parsed(example.corrupted, pattern);
      EXPECT_EQ(changed(example).size(), std::string(counterfactual) == "swap" ? 2u : 1u);
      std::set<std::string> letters(example.wrong.begin(), example.wrong.end());
      letters.insert(example.answer[0]);
      EXPECT_EQ(letters, (std::set<std::string>{" A", " B", " C", " D"}));
      if (clean[1] != "fruit") continue;
      ++fruits;
      const int at = example.answer[0][1] - 'A';
      for (int i = 0; i < 4; ++i)
        EXPECT_EQ(fruit.contains(clean[i + 2]), i == at);
      EXPECT_FALSE(corrupt[1] == "fruit" && fruit.contains(corrupt[at + 2])); // the letter is wrong now
    }
  }
  EXPECT_GT(fruits, 0);
}

TEST(Tasks, Successor) {
  const std::vector<std::string> days = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
  const auto after = [&](const std::string& text) {
    const auto words = words_of(text);
    const auto at = std::find(days.begin(), days.end(), words.back()) - days.begin();
    return days[static_cast<std::size_t>(at + 1) % 7];
  };
  const auto set = make_task(test::gpt2_like(), {"successor", "shift", "days", 20, 0});
  ASSERT_TRUE(set.ok()) << set.error().to_string();
  for (const TaskCase& each : set->cases) {
    EXPECT_EQ(each.example.answer[0], spaced(after(each.example.clean)));
    EXPECT_EQ(each.example.wrong[0], spaced(after(each.example.corrupted)));
    EXPECT_EQ(changed(each.example).size(), 3u);
  }
  for (const TaskExample& example : examples("successor", "random", "days")) {
    EXPECT_EQ(example.answer[0], spaced(after(example.clean)));
    const auto words = words_of(example.corrupted);
    EXPECT_NE(spaced(words.back()), example.wrong[0]);
    EXPECT_EQ(example.wrong[0], spaced(words_of(example.clean).back()));
  }
  std::set<std::string> variants;
  for (const TaskExample& example : examples("successor"))
    variants.insert(example.variant);
  EXPECT_EQ(variants, (std::set<std::string>{"days", "months", "numbers", "ordinals", "letters"}));
}

TEST(Tasks, Agreement) {
  const std::set<std::string> plural = {" are", " were", " have"};
  for (const TaskExample& example : examples("agreement")) {
    SCOPED_TRACE(example.clean);
    EXPECT_THAT(changed(example), ElementsAre(1u));
    const auto words = words_of(example.clean);
    EXPECT_EQ(words[1].back() == 's', plural.contains(example.answer[0]));
    EXPECT_NE(words[1].back() == 's', plural.contains(example.wrong[0]));
    EXPECT_EQ(words[1].back() == 's', words_of(example.corrupted)[1].back() != 's');
    EXPECT_EQ(example.variant == "same", (words[1].back() == 's') == (words.back().back() == 's'));
  }
}

TEST(Tasks, Graph) {
  std::set<std::string> variants;
  for (const TaskExample& example : examples("graph")) {
    SCOPED_TRACE(example.clean);
    variants.insert(example.variant);
    // The two that are exchanged, and no other word, differ; each is the answer on its side.
    const auto clean = words_of(example.clean), corrupted = words_of(example.corrupted);
    const auto name = [](std::string word) {
      while (!word.empty() && !std::isalpha(static_cast<unsigned char>(word.back())))
        word.pop_back();
      return " " + word;
    };
    for (const std::size_t at : changed(example)) {
      EXPECT_THAT((std::vector{name(clean[at]), name(corrupted[at])}),
                  testing::UnorderedElementsAre(example.answer[0], example.wrong[0]));
    }
    EXPECT_NE(example.answer, example.wrong);
    if (example.variant != "edges") continue;
    // "a - b;" one word before and behind each dash
    std::map<std::string, std::set<std::string>> neighbours;
    for (std::size_t i = 1; i + 1 < clean.size(); ++i)
      if (clean[i] == "-") {
        neighbours[name(clean[i - 1])].insert(name(clean[i + 1]));
        neighbours[name(clean[i + 1])].insert(name(clean[i - 1]));
      }
    const auto from = name(clean[clean.size() - 4]), to = name(clean[clean.size() - 2]);
    EXPECT_TRUE(neighbours[from].contains(example.answer[0]) && neighbours[to].contains(example.answer[0]));
    EXPECT_FALSE(neighbours[from].contains(to));
    EXPECT_FALSE(neighbours[from].contains(example.wrong[0]) && neighbours[to].contains(example.wrong[0]));
  }
  EXPECT_EQ(variants, (std::set<std::string>{"edges", "adjacency", "sentences"}));
}

TEST(Tasks, DependOnTheSeedOnly) {
  for (const TaskKind& kind : task_kinds()) {
    const auto texts = [&](std::uint64_t seed) {
      std::vector<std::string> out;
      const auto set = make_task(test::gpt2_like(), {std::string(kind.name), {}, {}, 10, seed});
      EXPECT_TRUE(set.ok()) << set.error().to_string();
      for (const TaskCase& each : set->cases)
        out.push_back(each.example.clean + "|" + each.example.corrupted);
      return out;
    };
    EXPECT_EQ(texts(7), texts(7)) << kind.name;
    EXPECT_NE(texts(7), texts(8)) << kind.name;
  }
}

TEST(Tasks, PairsThatDoNotAlignAreDroppedAndCounted) {
  // "keys" is two tokens: every pair with it has one token more on one side.
  const auto set = make_task(test::WordTokenizer({" keys"}), {"agreement", {}, {}, 60, 1});
  ASSERT_TRUE(set.ok()) << set.error().to_string();
  const auto counts = set->dropped_by_reason();
  ASSERT_EQ(counts.size(), 1u);
  EXPECT_THAT(counts.begin()->first, HasSubstr("different numbers of tokens"));
  EXPECT_EQ(counts.begin()->second, static_cast<std::int64_t>(set->dropped.size()));
  for (const TaskDropped& dropped : set->dropped)
    EXPECT_THAT(dropped.text, testing::ContainsRegex(" keys? "));
  for (const TaskCase& each : set->cases)
    EXPECT_THAT(each.example.clean, testing::Not(testing::ContainsRegex("The keys? ")));
}

TEST(Tasks, TooFewPairsIsAnErrorWithTheReasons) {
  const auto set = make_task(test::WordTokenizer({" she", " he"}), {"gendered_pronoun", {}, {}, 5, 1});
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().code, ErrorCode::unsupported);
  EXPECT_THAT(set.error().message, HasSubstr("only 0 of 5"));
  EXPECT_THAT(set.error().message, HasSubstr("dropped: an answer is not one token"));
}

TEST(Tasks, BadRequests) {
  EXPECT_EQ(find_task("nothing").error().code, ErrorCode::not_found);
  EXPECT_THAT(find_task("nothing").error().message, HasSubstr("greater_than"));
  EXPECT_EQ(check_task_request({"ioi", "other", {}, 1, 0}).error().field, "counterfactual");
  EXPECT_EQ(check_task_request({"ioi", {}, "other", 1, 0}).error().field, "variant");
  EXPECT_EQ(check_task_request({"docstring", {}, "other", 1, 0}).error().field, "variant");
  EXPECT_EQ(check_task_request({"ioi", {}, {}, 0, 0}).error().field, "count");
}

TEST(Alignment, SaysWhatIsWrong) {
  const test::WordTokenizer tokenizer({" keys", " boxes"});
  const auto problem = [&](const TaskExample& example) {
    const auto found = align(tokenizer, example);
    EXPECT_TRUE(found.ok());
    return std::holds_alternative<PatchPair>(*found) ? std::string() : std::get<std::string>(*found);
  };
  EXPECT_EQ(problem({"The key is", "The lock is", {" red"}, {" blue"}}), "");
  EXPECT_THAT(problem({"The key is", "The keys is", {" red"}, {}}), HasSubstr("different numbers"));
  EXPECT_THAT(problem({"The key is", "The key is", {" red"}, {}}), HasSubstr("is the clean one"));
  // Equally many tokens at different places: the word of two tokens comes first here, second there.
  EXPECT_THAT(problem({"Some keys in box", "Some key in boxes", {" red"}, {}}), HasSubstr("at different tokens"));
  EXPECT_THAT(problem({"The key is", "The lock is", {" keys"}, {}}), HasSubstr("not one token"));
  EXPECT_THAT(problem({"The key is", "The lock is", {" red"}, {" red"}}), HasSubstr("both right and wrong"));
}

} // namespace
} // namespace headscope
