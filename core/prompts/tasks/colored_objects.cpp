// SPDX-License-Identifier: GPL-3.0-or-later
// The color of one of three objects, after a worked example. BIG-bench's "reasoning about colored objects" in the form
// of Merullo, Eickhoff and Pavlick 2310.08744. Corrupted: another of the objects is asked for, or the colors are
// others.
#include "core/prompts/tasks/generator.h"

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

// The words of the authors' own prompts (github.com/jmerullo/circuit_reuse).
const Words& published_colors() {
  static const Words words = {"red", "orange", "yellow", "green", "blue", "purple", "brown", "black"};
  return words;
}
const Words& published_objects() {
  static const Words words = {"pencil", "notebook", "pen",      "cup",      "plate",    "jug",
                              "mug",    "puzzle",   "textbook", "leash",    "necklace", "bracelet",
                              "bottle", "ball",     "bowl",     "envelope", "lighter"};
  return words;
}
const Words& published_places() {
  static const Words words = {"table", "desk", "floor"};
  return words;
}
const Words& published_starts() {
  static const Words words = {"there is", "you see", "I see"};
  return words;
}

// The worked example takes the first three colors and objects, the question the last three.
struct Prompt {
  bool published = false;
  Words places, starts, objects, colors;
  std::size_t shown = 0, asked = 0;

  std::string answer(std::size_t object) const {
    std::string word = colors[object];
    if (published) word[0] = static_cast<char>(word[0] - 'a' + 'A');
    return " " + word;
  }
  std::string part(std::size_t at, std::size_t object) const {
    std::string form = "Q: On the {L}, {S} {C1} {O1}, {C2} {O2}, and {C3} {O3}. What color is the {O}?\nA:";
    return fill(form, {{"L", places[at / 3]},
                       {"S", starts[at / 3]},
                       {"C1", color(at)},
                       {"C2", color(at + 1)},
                       {"C3", color(at + 2)},
                       {"O1", objects[at]},
                       {"O2", objects[at + 1]},
                       {"O3", objects[at + 2]},
                       {"O", objects[at + object]}});
  }
  std::string text() const { return part(0, shown) + answer(shown) + (published ? "\n" : "\n\n") + part(3, asked); }

private:
  std::string color(std::size_t at) const { return (colors[at][0] == 'o' ? "an " : "a ") + colors[at]; }
};

Prompt draw_prompt(Random& random, bool published) {
  Prompt out;
  out.published = published;
  out.starts = {"there is", "there is"};
  if (published) {
    out.places = {random.pick(published_places()), random.pick(published_places())};
    out.starts = {random.pick(published_starts()), random.pick(published_starts())};
    out.objects = pick_different(random, published_objects(), 6);
    out.colors = pick_different(random, published_colors(), 6);
  } else {
    out.places = pick_different(random, places(), 2);
    out.objects = pick_different(random, objects(), 6);
    out.colors = pick_different(random, colors(), 9); // the last three are those of the corrupted prompt
  }
  out.shown = random.below(3);
  out.asked = random.below(3);
  return out;
}

// The colors of the objects that the question names, as words of the prompt.
std::vector<TaskSpan> spans_of(const Prompt& prompt, const std::string& text) {
  std::vector<TaskSpan> out;
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string& color = prompt.colors[3 + i];
    const std::size_t begin = text.rfind(color + " " + prompt.objects[3 + i]);
    out.push_back({i == prompt.asked ? "answer" : "wrong", begin, begin + color.size()});
  }
  return out;
}

Result<Draw> make(const Tokenizer&, const TaskRequest& request) {
  const bool other_object = request.counterfactual == "object", published = request.variant == "published";
  if (published && !other_object)
    return make_error(ErrorCode::unsupported, "there are too few published colors for other ones; take 'object'", {},
                      "counterfactual");
  return Draw([other_object, published](Random& random) {
    const Prompt clean = draw_prompt(random, published);
    const std::size_t asked = clean.asked, other = (asked + 1 + random.below(2)) % 3;
    Prompt corrupted = clean;
    if (other_object)
      corrupted.asked = other;
    else
      for (std::size_t i = 0; i < 3; ++i)
        corrupted.colors[3 + i] = clean.colors[6 + i];
    TaskExample out;
    out.clean = clean.text();
    out.corrupted = corrupted.text();
    out.answer = {clean.answer(3 + asked)};
    for (std::size_t i = 0; i < 3; ++i)
      if (other_object ? i == other : i != asked) out.wrong.push_back(clean.answer(3 + i));
    out.variant = published ? "published" : "lower";
    out.spans = spans_of(clean, out.clean);
    return out;
  });
}

} // namespace

Generator colored_objects() {
  return {{"colored_objects",
           "the color of an object that is named",
           "Merullo et al. 2310.08744",
           {"object", "colors"},
           {"lower", "published"},
           false},
          make};
}

} // namespace headscope::tasks
