// SPDX-License-Identifier: GPL-3.0-or-later
// The color of one of three objects, after a worked example. BIG-bench's "reasoning about colored objects" in the form
// of Merullo, Eickhoff and Pavlick 2310.08744. Corrupted: another of the objects is asked for, or the colors are
// others.
#include "core/tasks/generator.h"

namespace headscope::tasks {
namespace {

const Words& colors() {
  static const Words words = {"red", "blue", "green", "yellow", "purple", "black", "white", "brown", "pink", "gray"};
  return words;
}
const Words& objects() {
  static const Words words = {"pen",   "cup", "ball", "book", "key",   "hat",  "ring",  "bottle", "plate", "pencil",
                              "phone", "bag", "box",  "card", "shirt", "lamp", "watch", "shoe",   "toy",   "bowl"};
  return words;
}
const Words& places() {
  static const Words words = {"table", "desk", "floor", "bed", "shelf"};
  return words;
}

// The worked example takes c[0..2] and o[0..2], the question what follows.
std::string text(const Words& places, const Words& o, const Words& c, std::size_t shown, std::size_t asked) {
  const std::string form =
      "Q: On the {L}, there is a {C1} {O1}, a {C2} {O2}, and a {C3} {O3}. What color is the {O}?\nA:";
  const auto part = [&](std::size_t at, std::size_t object) {
    return fill(form, {{"L", places[at / 3]},
                       {"C1", c[at]},
                       {"C2", c[at + 1]},
                       {"C3", c[at + 2]},
                       {"O1", o[at]},
                       {"O2", o[at + 1]},
                       {"O3", o[at + 2]},
                       {"O", o[at + object]}});
  };
  return part(0, shown) + " " + c[shown] + "\n\n" + part(3, asked);
}

Result<Draw> make(const Tokenizer&, const TaskRequest& request) {
  const bool other_object = request.counterfactual == "object";
  return Draw([other_object](Random& random) {
    const Words where = pick_different(random, places(), 2), what = pick_different(random, objects(), 6);
    const Words color = pick_different(random, colors(), 9);
    const std::size_t shown = random.below(3), asked = random.below(3), other = (asked + 1 + random.below(2)) % 3;
    Words changed = color;
    for (std::size_t i = 0; i < 3; ++i)
      changed[3 + i] = color[6 + i];
    TaskExample out;
    out.clean = text(where, what, color, shown, asked);
    out.corrupted = other_object ? text(where, what, color, shown, other) : text(where, what, changed, shown, asked);
    out.answer = {" " + color[3 + asked]};
    if (other_object) {
      out.wrong = {" " + color[3 + other]};
    } else {
      for (std::size_t i = 0; i < 3; ++i)
        if (i != asked) out.wrong.push_back(" " + color[3 + i]);
    }
    return out;
  });
}

} // namespace

Generator colored_objects() {
  return {{"colored_objects",
           "the color of an object that is named",
           "Merullo et al. 2310.08744",
           {"object", "colors"},
           {}},
          make};
}

} // namespace headscope::tasks
