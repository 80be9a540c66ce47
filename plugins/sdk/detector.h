// SPDX-License-Identifier: GPL-3.0-or-later
// The one interface of everything that gives attention heads a score.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/task.h"
#include "core/engine/engine.h"
#include "plugins/sdk/detector_result.h"
#include "plugins/sdk/options.h"

namespace headscope {

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

  // What can be said of options before a model is loaded: that files which they name are there and hold what they
  // should, and that options fit each other. The field begins with ID.OPTION.
  virtual Status check_options(const OptionSet&) const { return {}; }
};

// Sizes set, every score NaN.
DetectorResult empty_result(const Engine& engine);
// Fills `heads` from scores and threshold: at or above it, strongest first, then by layer and head.
void name_heads(DetectorResult& result);

} // namespace headscope
