// SPDX-License-Identifier: GPL-3.0-or-later
// "The war lasted from the year 1732 to the year 17": a later year. Hanna, Liu and Variengien 2305.00586.
//
// Where a tokenizer keeps the last two digits of a year together (GPT-2) answers are the years 33 to 99 and wrong ones
// 02 to 32, as in the paper. Where every digit is a token (SmolLM2, Gemma, Llama-2) the next token is the tens digit:
// larger ones are right, smaller ones wrong, the same digit neither. Corrupted: the year 01 of the same century, after
// which all years are right.
#include <cstdio>

#include "core/prompts/tasks/generator.h"

namespace headscope::tasks {
namespace {

const Words& nouns() {
  static const Words words = {"abduction",  "affair",  "campaign",   "challenge", "conflict",  "construction",
                              "contract",   "dispute", "dynasty",    "era",       "expansion", "exploration",
                              "famine",     "growth",  "journey",    "migration", "mission",   "occupation",
                              "pilgrimage", "plague",  "process",    "program",   "project",   "raid",
                              "reform",     "reign",   "revolution", "rule",      "siege",     "struggle",
                              "trade",      "trial",   "voyage",     "war"};
  return words;
}

std::string two_digits(std::size_t year) {
  char text[8];
  std::snprintf(text, sizeof text, "%02zu", year % 100);
  return text;
}

TaskExample example(Random& random, bool by_digit) {
  const std::string noun = random.pick(nouns()), century = std::to_string(11 + random.below(7));
  // Where years are single digits, the tens digit is asked for; smaller and larger digits must exist.
  const std::size_t year = by_digit ? 10 + random.below(80) : 2 + random.below(97);
  const std::string form = "The {N} lasted from the year {C}{Y} to the year {C}";
  TaskExample out;
  out.clean = fill(form, {{"N", noun}, {"C", century}, {"Y", two_digits(year)}});
  out.corrupted = fill(form, {{"N", noun}, {"C", century}, {"Y", "01"}});
  for (std::size_t y = by_digit ? 0 : 2; y < (by_digit ? 10 : 100); ++y) {
    const std::size_t start = by_digit ? year / 10 : year;
    const std::string text = by_digit ? std::to_string(y) : two_digits(y);
    if (by_digit && y == start) continue;
    (y > start ? out.answer : out.wrong).push_back(text);
  }
  return out;
}

Result<Draw> make(const Tokenizer& tokenizer, const TaskRequest&) {
  HS_ASSIGN(const auto century, tokenizer.encode("the year 17"));
  HS_ASSIGN(const auto year, tokenizer.encode("the year 1732"));
  const std::size_t more = year.size() - std::min(year.size(), century.size());
  if (more != 1 && more != 2)
    return make_error(ErrorCode::unsupported,
                      "this tokenizer cuts years neither after the century nor into single digits", {}, "tokenizer");
  const bool by_digit = more == 2;
  return Draw([by_digit](Random& random) { return example(random, by_digit); });
}

} // namespace

Generator greater_than() {
  return {{"greater_than", "a year after the one that is named", "Hanna et al. 2305.00586", {"year_01"}, {}}, make};
}

} // namespace headscope::tasks
