// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/choice_prompt.h"

#include <algorithm>

#include "core/base/random.h"
#include "core/prompts/answers.h"

namespace headscope {
namespace {

struct Category {
  std::string name, article;
  std::vector<std::string> words;
};

const std::vector<Category>& categories() {
  static const std::vector<Category> all = {
      {"fruit", "a", {"apple", "banana", "cherry", "grape", "lemon", "melon", "peach", "plum"}},
      {"animal", "an", {"dog", "horse", "owl", "fox", "cow", "cat", "sheep", "rabbit"}},
      {"color", "a", {"red", "blue", "green", "black", "white", "yellow", "brown", "grey"}},
      {"vehicle", "a", {"car", "train", "bus", "truck", "boat", "bicycle", "plane", "ship"}},
  };
  return all;
}

const Category& category_named(const std::string& name) {
  for (const Category& category : categories())
    if (category.name == name) return category;
  return categories().front();
}

constexpr std::array<const char*, choice_count> labels = {"A", "B", "C", "D"}, answers = {" A", " B", " C", " D"};

struct Question {
  std::string text; // up to and with "Answer:"
  std::size_t right = 0;
  std::array<std::size_t, choice_count> label_begins; // bytes before each label
};

Question draw_question(const Category& asked, std::size_t right, Random& random) {
  std::vector<std::string> others;
  for (const Category& category : categories())
    if (category.name != asked.name) others.insert(others.end(), category.words.begin(), category.words.end());
  random.shuffle(others);
  Question out;
  out.right = right;
  out.text = "Question: Which of these is " + asked.article + " " + asked.name + "?\n";
  for (std::size_t i = 0; i < choice_count; ++i) {
    out.label_begins[i] = out.text.size();
    out.text += labels[i];
    out.text += ": ";
    out.text += i == right ? random.pick(asked.words) : others[i];
    out.text += "\n";
  }
  out.text += "Answer:";
  return out;
}

Result<ChoicePrompt> tokenised(const Tokenizer& tokenizer, const Question& question, const std::string& before) {
  ChoicePrompt prompt;
  prompt.text = before + question.text;
  prompt.right = question.right;
  HS_ASSIGN(prompt.ids, tokenizer.encode(prompt.text));
  for (std::size_t i = 0; i < choice_count; ++i) {
    HS_ASSIGN(const auto ids, tokenizer.encode(prompt.text.substr(0, before.size() + question.label_begins[i])));
    const std::string label = labels[i];
    if (ids.size() >= prompt.ids.size() || tokenizer.text(prompt.ids[ids.size()]) != label)
      return make_error(ErrorCode::unsupported, "the label '" + label + "' is no token of its own in this tokenizer",
                        {}, "tokenizer");
    prompt.label_positions[i] = static_cast<std::int64_t>(ids.size());
  }
  return prompt;
}

} // namespace

const std::vector<std::string>& choice_categories() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const Category& category : categories())
      out.push_back(category.name);
    return out;
  }();
  return names;
}

Result<ChoiceSet> make_choices(const Tokenizer& tokenizer, const ChoiceOptions& options) {
  ChoiceSet set;
  for (std::size_t i = 0; i < choice_count; ++i) {
    const auto token = answer_token(tokenizer, answers[i]);
    if (!token.ok()) return make_error(ErrorCode::unsupported, token.error().message, {}, "tokenizer");
    set.letters[i] = *token;
  }
  Random random(options.seed);
  const Category& category = category_named(options.category);
  for (std::int64_t i = 0; i < options.count; ++i) {
    std::string before;
    for (std::int64_t shot = 0; shot < options.shots; ++shot) {
      const Question solved = draw_question(category, random.below(choice_count), random);
      before += solved.text + answers[solved.right] + "\n\n";
    }
    const Question question = draw_question(category, static_cast<std::size_t>(i) % choice_count, random);
    HS_ASSIGN(ChoicePrompt prompt, tokenised(tokenizer, question, before));
    set.prompts.push_back(std::move(prompt));
  }
  return set;
}

} // namespace headscope
