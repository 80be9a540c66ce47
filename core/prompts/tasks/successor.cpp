// SPDX-License-Identifier: GPL-3.0-or-later
// "Monday Tuesday Wednesday": Thursday. Lists of Gould et al. 2312.09230 as in-context sequences, Lan et al.
// 2311.04131. Corrupted: three other consecutive words of the list, or words of the list out of order that end with
// another word.
#include <algorithm>

#include "core/prompts/tasks/generator.h"

namespace headscope::tasks {
namespace {

struct List {
  const char* name;
  bool wraps;
  Words words;
};

const std::vector<List>& lists() {
  static const std::vector<List> all = {
      {"days", true, {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}},
      {"months",
       true,
       {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December"}},
      {"numbers", false, {"one",     "two",     "three",     "four",     "five",     "six",      "seven",
                          "eight",   "nine",    "ten",       "eleven",   "twelve",   "thirteen", "fourteen",
                          "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"}},
      {"ordinals",
       false,
       {"first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"}},
      {"letters", false, {"A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M",
                          "N", "O", "P", "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z"}}};
  return all;
}

constexpr std::size_t shown = 3;

// Words of a list, to be continued by the next.
struct Run {
  std::string text;
  std::string last, next;
};

Run run_from(const List& list, std::size_t begin) {
  Run run;
  run.text = "The list goes on:";
  for (std::size_t i = 0; i < shown; ++i)
    run.text += " " + list.words[(begin + i) % list.words.size()];
  run.last = " " + list.words[(begin + shown - 1) % list.words.size()];
  run.next = " " + list.words[(begin + shown) % list.words.size()];
  return run;
}

TaskExample example(Random& random, const List& list, bool shift) {
  const std::size_t starts = list.wraps ? list.words.size() : list.words.size() - shown;
  const std::size_t begin = random.below(starts);
  const Run run = run_from(list, begin);
  TaskExample out;
  out.clean = run.text;
  out.answer = {run.next};
  out.variant = list.name;
  if (shift) {
    const Run other = run_from(list, (begin + 1 + random.below(starts - 1)) % starts);
    out.corrupted = other.text;
    out.wrong = {other.next};
    return out;
  }
  Words words;
  do
    words = pick_different(random, list.words, shown);
  while (
      " " + words.back() == run.last || std::is_sorted(words.begin(), words.end(), [&](const auto& a, const auto& b) {
        return std::find(list.words.begin(), list.words.end(), a) < std::find(list.words.begin(), list.words.end(), b);
      }));
  out.corrupted = "The list goes on: " + words[0] + " " + words[1] + " " + words[2];
  out.wrong = {run.last};
  return out;
}

Result<Draw> make(const Tokenizer&, const TaskRequest& request) {
  const bool shift = request.counterfactual == "shift";
  return Draw([shift, variant = request.variant](Random& random) {
    const List* list = &random.pick(lists());
    for (const List& each : lists())
      if (variant == each.name) list = &each;
    return example(random, *list, shift);
  });
}

} // namespace

Generator successor() {
  std::vector<std::string_view> names;
  for (const List& list : lists())
    names.emplace_back(list.name);
  return {{"successor",
           "the next word of a list",
           "Gould et al. 2312.09230; Lan et al. 2311.04131",
           {"shift", "random"},
           names},
          make};
}

} // namespace headscope::tasks
