// SPDX-License-Identifier: GPL-3.0-or-later
// "The keys near the cabinet": are, not is. Linzen, Dupoux and Goldberg 1611.01368; Finlayson et al. 2106.06087.
// Corrupted: the subject has the other number. Variants: the noun in between has the subject's number, or the other
// one.
#include <array>

#include "core/prompts/tasks/generator.h"

namespace headscope::tasks {
namespace {

using Forms = std::array<const char*, 2>; // singular, plural

const std::vector<Forms>& subjects() {
  static const std::vector<Forms> list = {
      {"key", "keys"},         {"book", "books"},       {"car", "cars"},       {"dog", "dogs"},
      {"boy", "boys"},         {"girl", "girls"},       {"friend", "friends"}, {"teacher", "teachers"},
      {"student", "students"}, {"picture", "pictures"}, {"letter", "letters"}, {"tree", "trees"},
      {"bird", "birds"},       {"worker", "workers"},   {"player", "players"}, {"farmer", "farmers"}};
  return list;
}
const std::vector<Forms>& others() {
  static const std::vector<Forms> list = {{"house", "houses"},  {"table", "tables"},       {"window", "windows"},
                                          {"door", "doors"},    {"wall", "walls"},         {"river", "rivers"},
                                          {"tower", "towers"},  {"building", "buildings"}, {"garden", "gardens"},
                                          {"bridge", "bridges"}};
  return list;
}
const std::vector<Forms>& verbs() {
  static const std::vector<Forms> list = {{" is", " are"}, {" was", " were"}, {" has", " have"}};
  return list;
}
const Words& prepositions() {
  static const Words words = {"near", "behind", "beside", "by"};
  return words;
}

Result<Draw> make(const Tokenizer&, const TaskRequest& request) {
  return Draw([variant = request.variant](Random& random) {
    const Forms subject = random.pick(subjects()), other = random.pick(others()), verb = random.pick(verbs());
    const std::size_t number = random.below(2), opposite = 1 - number;
    const bool same = variant.empty() ? random.below(2) == 0 : variant == "same";
    const std::string& preposition = random.pick(prepositions());
    const auto text = [&](std::size_t n) {
      return fill("The {S} {P} the {O}",
                  {{"S", subject[n]}, {"P", preposition}, {"O", other[same ? number : opposite]}});
    };
    TaskExample out;
    out.clean = text(number);
    out.corrupted = text(opposite);
    out.answer = {verb[number]};
    out.wrong = {verb[opposite]};
    out.variant = same ? "same" : "other";
    return out;
  });
}

} // namespace

Generator agreement() {
  return {{"agreement",
           "a verb in the number of its subject",
           "Linzen et al. 1611.01368; Finlayson et al. 2106.06087",
           {"number"},
           {"same", "other"}},
          make};
}

} // namespace headscope::tasks
