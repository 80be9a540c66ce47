// SPDX-License-Identifier: GPL-3.0-or-later
// Prompts as every sweep and analysis takes them: token ids, and the answers that are measured after the last token.
#pragma once

#include <cstdint>
#include <vector>

#include "core/prompts/answers.h"

namespace headscope {

// One list of token ids per prompt; lengths may differ.
using TokenRows = std::vector<std::vector<std::int64_t>>;

struct AblationPrompt {
  std::vector<std::int64_t> tokens;
  Answers answers;
};

// Two prompts of equal token length that differ in what matters, and the answers to the clean one.
struct PatchPair {
  std::vector<std::int64_t> clean;
  std::vector<std::int64_t> corrupt;
  Answers answers;
};

} // namespace headscope
