// SPDX-License-Identifier: GPL-3.0-or-later
// The words of a planted model, each a token with its leading space, by what they are to its heads.
#pragma once

#include <string>
#include <vector>

namespace headscope::plant {

using Words = std::vector<std::string>;

const Words& needle_starts(); // the first words of the three built-in needles' answers
const Words& needle_words();  // the others, and the full stop after them
const Words& names();
const Words& fruits();      // the right options of multiple-choice questions
const Words& image_words(); // what an image may show
const Words& plain_words(); // of the built-in haystack, questions and indirect-object prompts
const Words& line_starts(); // these also without a space, as at the beginning of a line

// A list along which successor heads count. Entry i of a list that wraps has the place i modulo its length.
struct Sequence {
  Words words;
  bool weekdays = false, months = false; // place counted modulo 7 or 12 alone
  int first = 0;                         // place of the first word
};
const std::vector<Sequence>& sequences();

} // namespace headscope::plant
