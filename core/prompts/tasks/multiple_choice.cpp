// SPDX-License-Identifier: GPL-3.0-or-later
// The letter of the right option. Lieberum et al. 2307.09458. Wrong: the other three letters, so that the logit
// difference is 4/3 of the paper's centred logit. Corrupted: the right option has changed places with another, or
// another kind is asked for.
#include <array>

#include "core/prompts/tasks/generator.h"

namespace headscope::tasks {
namespace {

struct Category {
  const char* name;
  Words members;
};

const std::vector<Category>& categories() {
  static const std::vector<Category> list = {{"fruit", {"apple", "banana", "orange", "grape", "lemon", "peach"}},
                                             {"animal", {"dog", "cat", "horse", "cow", "lion", "tiger"}},
                                             {"vehicle", {"car", "bus", "train", "truck", "boat", "plane"}},
                                             {"metal", {"iron", "gold", "silver", "copper", "lead", "steel"}},
                                             {"color", {"red", "blue", "green", "yellow", "purple", "pink"}},
                                             {"drink", {"water", "milk", "tea", "coffee", "juice", "beer"}},
                                             {"furniture", {"chair", "table", "desk", "bed", "couch", "shelf"}},
                                             {"clothing", {"shirt", "hat", "coat", "dress", "shoe", "jacket"}}};
  return list;
}

constexpr std::array<const char*, 4> letters = {" A", " B", " C", " D"};

std::string text(const std::string& kind, const Words& options) {
  return fill("Question: Which of these is a kind of {K}?\nA. {1}\nB. {2}\nC. {3}\nD. {4}\nAnswer:",
              {{"K", kind}, {"1", options[0]}, {"2", options[1]}, {"3", options[2]}, {"4", options[3]}});
}

Result<Draw> make(const Tokenizer&, const TaskRequest& request) {
  const bool swap = request.counterfactual == "swap";
  return Draw([swap](Random& random) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < categories().size(); ++i)
      order.push_back(i);
    random.shuffle(order); // the first four are the options' kinds
    Words options;
    for (std::size_t i = 0; i < letters.size(); ++i)
      options.push_back(random.pick(categories()[order[i]].members));
    const std::size_t right = random.below(letters.size()), other = (right + 1 + random.below(3)) % letters.size();
    const std::string kind = categories()[order[right]].name;
    TaskExample out;
    out.clean = text(kind, options);
    if (swap) {
      std::swap(options[right], options[other]);
      out.corrupted = text(kind, options);
    } else {
      out.corrupted = text(categories()[order[other]].name, options);
    }
    out.answer = {letters[right]};
    for (std::size_t i = 0; i < letters.size(); ++i)
      if (i != right) out.wrong.emplace_back(letters[i]);
    out.variant = letters[right] + 1;
    return out;
  });
}

} // namespace

Generator multiple_choice() {
  return {{"multiple_choice", "the letter of the right option", "Lieberum et al. 2307.09458", {"swap", "question"}, {}},
          make};
}

} // namespace headscope::tasks
