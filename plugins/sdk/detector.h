// SPDX-License-Identifier: GPL-3.0-or-later
// The one interface of everything that gives attention heads a score.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/task.h"
#include "core/engine/engine.h"
#include "core/store/result_types.h"
#include "plugins/sdk/options.h"

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
  std::vector<store::HeadIndex> heads; // those, strongest first
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

struct DetectorRun {
  const Engine& engine;
  const OptionSet& options;
  std::string haystack; // a text file or folder of the user's; empty: text that is generated from the seed
  TaskContext task;
};

class Detector {
public:
  virtual ~Detector() = default;

  virtual std::string id() const = 0;          // "induction"
  virtual std::string title() const = 0;       // "Induction heads"
  virtual std::string description() const = 0; // one sentence
  virtual std::string reference() const = 0;   // the paper or repository that defines the score
  virtual std::vector<OptionSpec> options() const = 0;

  // Whether it fits this model: unsupported, with the reason, if not.
  virtual Status check(const Engine& engine) const = 0;

  // Errors are those of the engine; a cancelled run that has measured something is a result, not an error.
  virtual Result<DetectorResult> run(const DetectorRun& run) const = 0;
};

// Sizes set, every score NaN.
DetectorResult empty_result(const Engine& engine);
// Fills `heads` from scores and threshold: at or above it, strongest first, then by layer and head.
void name_heads(DetectorResult& result);

} // namespace headscope
