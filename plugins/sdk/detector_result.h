// SPDX-License-Identifier: GPL-3.0-or-later
// The result of a detector, as plain values without Torch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/store/result_types.h"

namespace headscope {

// A further score of each head, beside the detector's own.
struct ScoreMap {
  std::string name; // "code_score", "list_months"
  std::string description;
  std::string units = "1";
  std::vector<float> values; // [layer, head]; NaN: not measured
};

struct DetectorResult {
  std::int64_t n_layers = 0, n_heads = 0;
  std::vector<float> scores; // [layer, head]; NaN: not measured
  std::string units = "1";
  std::string description;             // what a score is, in one sentence
  double threshold = 0.0;              // heads at or above it are named
  std::vector<HeadId> heads;           // those, strongest first, that also fulfil `conditions`
  std::vector<std::string> conditions; // what else the kind asks for: "copy_score >= 0.75"
  struct Unnamed {
    HeadId head;
    std::string why; // "copy_score 0.12"
  };
  std::vector<Unnamed> unnamed; // at or above the threshold, but not of the kind; strongest first
  std::vector<ScoreMap> maps;
  store::Attributes findings;         // numbers and texts about the whole run, e.g. runs_kept
  std::vector<store::Prompt> prompts; // evidence: what was run
  struct NamedTable {
    std::string name;
    store::Table table;
  };
  std::vector<NamedTable> tables; // evidence: which prompt, which positions
  std::string message;            // what a user must know, e.g. why there are no scores; or empty
  bool complete = true;           // false: cancelled; what was measured until then is here

  std::size_t index(std::int64_t layer, std::int64_t head) const {
    return static_cast<std::size_t>(layer * n_heads + head);
  }
};

} // namespace headscope
