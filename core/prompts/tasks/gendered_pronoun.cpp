// SPDX-License-Identifier: GPL-3.0-or-later
// "So Mary is such a good cook, isn't": she. Mathwin et al. 2023 (Identifying a preliminary circuit for predicting
// gendered pronouns in GPT-2 small). Corrupted: a name of the other gender.
#include "core/prompts/tasks/generator.h"

namespace headscope::tasks {
namespace {

const Words& female() {
  static const Words words = {"Mary",  "Lisa",  "Anna",     "Sarah",   "Amy",       "Carol",   "Karen",
                              "Susan", "Julie", "Jennifer", "Linda",   "Elizabeth", "Barbara", "Jessica",
                              "Nancy", "Helen", "Laura",    "Emily",   "Alice",     "Rachel",  "Maria",
                              "Kate",  "Jane",  "Emma",     "Rebecca", "Margaret"};
  return words;
}
const Words& male() {
  static const Words words = {"John",   "David",   "Mark",   "Paul",    "Ryan",    "Jack",    "Sean",
                              "Carl",   "Joe",     "James",  "Robert",  "Michael", "William", "Richard",
                              "Thomas", "Charles", "Daniel", "Matthew", "Anthony", "Andrew",  "Kevin",
                              "Brian",  "George",  "Edward", "Peter",   "Joseph"};
  return words;
}
const Words& forms() {
  static const Words words = {"So {N} is a really great friend, isn't",    "So {N} is such a good cook, isn't",
                              "So {N} is a very talented musician, isn't", "So {N} is an excellent teacher, isn't",
                              "So {N} is always happy to help, isn't",     "So {N} is quite tall, isn't"};
  return words;
}

Result<Draw> make(const Tokenizer&, const TaskRequest& request) {
  return Draw([variant = request.variant](Random& random) {
    const bool she = variant.empty() ? random.below(2) == 0 : variant == "she";
    const std::string& form = random.pick(forms());
    TaskExample out;
    out.clean = fill(form, {{"N", random.pick(she ? female() : male())}});
    out.corrupted = fill(form, {{"N", random.pick(she ? male() : female())}});
    out.answer = {she ? " she" : " he"};
    out.wrong = {she ? " he" : " she"};
    out.variant = she ? "she" : "he";
    return out;
  });
}

} // namespace

Generator gendered_pronoun() {
  return {{"gendered_pronoun", "he or she, by the name", "Mathwin et al. 2023", {"name"}, {"she", "he"}}, make};
}

} // namespace headscope::tasks
