// SPDX-License-Identifier: GPL-3.0-or-later
// Counts which heads copied which needle tokens in one run.
#pragma once

#include <cstdint>
#include <vector>

#include "core/engine/engine.h"
#include "core/prompts/retrieval_prompt.h"

namespace headscope {

// Watches decode steps: feed every tile of a step to see(), then its token to generated().
class CopyCounter {
public:
  CopyCounter(const ModelConfig& config, const RetrievalPrompt& prompt);

  void see(const PatternTile& tile); // of one query
  void generated(std::int64_t token);

  // Scores [layer, head]. `code`: copies / |needle|, repeats counted. `set`: distinct needle tokens copied / distinct
  // needle tokens.
  std::vector<double> code_score() const;
  std::vector<double> set_score() const;

  // One head's copies in order: the step, the position attended and the token.
  struct Copy {
    std::int64_t layer = 0, head = 0, step = 0, position = 0, token = 0;
  };
  const std::vector<Copy>& copies() const { return copies_; }

private:
  const RetrievalPrompt& prompt_;
  std::int64_t n_layers_, n_heads_, step_ = 0;
  std::vector<std::int64_t> attended_; // argmax of the last row [layer, head]
  std::vector<Copy> copies_;
};

} // namespace headscope
