// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/reasoning_task.h"

#include "core/base/random.h"

namespace headscope {
namespace {

const std::vector<std::string> names = {"Tom", "Anna", "Peter", "Mary", "John", "Sarah", "David", "Laura"};
const std::vector<std::string> fruits = {"apples", "pears", "books", "coins", "pens", "cups"};
const std::vector<std::string> colors = {"red", "blue", "green", "white", "black", "yellow"};
const std::vector<std::string> things = {"key", "coin", "ring", "watch", "map", "letter", "book", "ball"};

struct Worked {
  std::string question, steps, answer;
};

Worked sum(Random& random) {
  const std::string& name = random.pick(names);
  const std::string& things_counted = random.pick(fruits);
  const std::size_t a = 1 + random.below(5), b = 1 + random.below(4), c = 1 + random.below(4);
  const auto text = [](std::size_t n) { return std::to_string(n); };
  return {name + " has " + text(a) + " " + things_counted + ". " + name + " finds " + text(b) + " more, and then " +
              text(c) + " more. How many " + things_counted + " does " + name + " have?",
          name + " has " + text(a) + ". " + text(a) + " + " + text(b) + " = " + text(a + b) + ". " + text(a + b) +
              " + " + text(c) + " = " + text(a + b + c) + ".",
          text(a + b + c)};
}

std::vector<std::string> drawn(std::vector<std::string> words, std::size_t count, Random& random) {
  random.shuffle(words);
  words.resize(count);
  return words;
}

Worked two_hop(Random& random) {
  constexpr std::size_t people = 3;
  const auto who = drawn(names, people, random), box = drawn(colors, people, random),
             what = drawn(things, people, random);
  std::string question;
  for (std::size_t i = 0; i < people; ++i)
    question += who[i] + " owns the " + box[i] + " box. ";
  for (const std::size_t i : {std::size_t{1}, std::size_t{2}, std::size_t{0}})
    question += "The " + box[i] + " box holds a " + what[i] + ". ";
  const std::size_t asked = random.below(people);
  return {question + "What is in the box of " + who[asked] + "?",
          who[asked] + " owns the " + box[asked] + " box. The " + box[asked] + " box holds a " + what[asked] + ".",
          what[asked]};
}

} // namespace

std::vector<ReasoningCase> make_reasoning_cases(std::int64_t count, std::int64_t shots, std::uint64_t seed) {
  Random random(seed);
  std::vector<ReasoningCase> cases;
  for (std::int64_t i = 0; i < count; ++i) {
    ReasoningCase out;
    out.kind = i % 2 == 0 ? "sum" : "two_hop";
    const auto draw = [&] { return i % 2 == 0 ? sum(random) : two_hop(random); };
    for (std::int64_t shot = 0; shot < shots; ++shot) {
      const Worked example = draw();
      out.direct += "Q: " + example.question + "\nA: The answer is " + example.answer + ".\n\n";
      out.chain += "Q: " + example.question + "\nA: " + example.steps + " The answer is " + example.answer + ".\n\n";
    }
    const Worked asked = draw();
    out.direct += "Q: " + asked.question + "\nA:";
    out.chain += "Q: " + asked.question + "\nA:";
    out.answer = asked.answer;
    cases.push_back(std::move(out));
  }
  return cases;
}

} // namespace headscope
