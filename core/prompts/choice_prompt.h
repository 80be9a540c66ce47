// SPDX-License-Identifier: GPL-3.0-or-later
// Multiple-choice questions with labelled options: "Question: Which of these is a fruit?\nA: dog\nB: cherry\n...
// Answer:". The questions depend only on the seed, not on the platform.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/text/tokenizer.h"

namespace headscope {

constexpr std::size_t choice_count = 4;

struct ChoiceOptions {
  std::int64_t count = 16;
  std::int64_t shots = 0;         // solved questions before each
  std::string category = "fruit"; // what is asked for
  std::uint64_t seed = 0;
};
const std::vector<std::string>& choice_categories();

struct ChoicePrompt {
  std::string text;
  std::vector<std::int64_t> ids;
  std::size_t right = 0;                                  // index of the right option
  std::array<std::int64_t, choice_count> label_positions; // in ids
};

struct ChoiceSet {
  std::vector<ChoicePrompt> prompts;
  std::array<std::int64_t, choice_count> letters; // tokens of the answers " A" to " D"
};

// Returns unsupported when a label or an answer is not a single token.
Result<ChoiceSet> make_choices(const Tokenizer& tokenizer, const ChoiceOptions& options);

} // namespace headscope
