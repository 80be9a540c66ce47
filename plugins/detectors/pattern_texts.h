// SPDX-License-Identifier: GPL-3.0-or-later
// What pattern detectors run on: random tokens written twice, or a text of the user's, written twice or as it stands.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "plugins/sdk/detector.h"

namespace headscope {

struct PatternTexts {
  at::Tensor tokens;   // [text, position]
  std::int64_t n = 0;  // a text is so many tokens written twice; 0: it is not repeated
  std::string what;    // "random tokens written twice"
  std::string message; // what the user must know, or empty
  store::Attributes findings;
};

// batch, n, low, high, seed; text, repeat and bos of a text of the user's.
void add_pattern_text_options(std::vector<OptionSpec>& options);
// The user's text is there, and what only it has is asked of no other.
Status check_pattern_texts(const OptionSet& options, const std::string& id);
// Whether texts are written twice.
bool repeats(const OptionSet& options);
Result<PatternTexts> pattern_texts(const DetectorRun& run, const std::string& id);

} // namespace headscope
