// SPDX-License-Identifier: GPL-3.0-or-later
// The texts that pattern detectors run on: random tokens written twice, or the user's text, written twice or once.
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

// Adds the options batch, n, low, high and seed; and text, repeat and bos for the user's text.
void add_pattern_text_options(std::vector<OptionSpec>& options);
// Checks that the user's text is there, and that options for it are not set without it.
Status check_pattern_texts(const OptionSet& options, const std::string& id);
// Whether texts are written twice.
bool repeats(const OptionSet& options);
Result<PatternTexts> pattern_texts(const DetectorRun& run, const std::string& id);

} // namespace headscope
