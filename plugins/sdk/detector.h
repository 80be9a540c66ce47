// SPDX-License-Identifier: GPL-3.0-or-later
// The interface of everything that gives attention heads a score.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/run_control.h"
#include "core/engine/engine.h"
#include "plugins/sdk/detector_result.h"
#include "plugins/sdk/options.h"

namespace headscope {

struct DetectorRun {
  const Engine& engine;
  const OptionSet& options;
  std::string haystack; // a text file or folder of the user's; empty: text that is generated from the seed
  RunControl control;
};

class Detector {
public:
  virtual ~Detector() = default;

  virtual std::string id() const = 0;          // "induction"
  virtual std::string title() const = 0;       // "Induction heads"
  virtual std::string description() const = 0; // one sentence
  virtual std::string reference() const = 0;   // the paper or repository that defines the score
  virtual std::vector<OptionSpec> options() const = 0;

  // Checks that the detector fits this model; returns unsupported, with the reason, if not.
  virtual Status check(const Engine& engine) const = 0;

  // Runs the detector. Errors are those of the engine; a cancelled run that has measured something is a result, not an
  // error.
  virtual Result<DetectorResult> run(const DetectorRun& run) const = 0;

  // Checks options before a model is loaded: that the files they name exist with the right content, and that options
  // fit each other. The field of an error begins with ID.OPTION.
  virtual Status check_options(const OptionSet&) const { return {}; }
};

// Makes a result with sizes set and every score NaN.
DetectorResult empty_result(const Engine& engine);
// Fills `heads` with those whose score is at or above the threshold, strongest first, then by layer and head.
void name_heads(DetectorResult& result);

} // namespace headscope
