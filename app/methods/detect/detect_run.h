// SPDX-License-Identifier: GPL-3.0-or-later
// Runs detectors on a model and writes what they find into a result file.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/methods/base/context.h"
#include "app/methods/base/option.h"
#include "core/engine/engine.h"
#include "core/store/result_file.h"
#include "plugins/sdk/detector.h"

namespace headscope::methods {

struct DetectOptions {
  std::vector<std::string> detectors = {"all"};
  std::vector<std::string> set; // "retrieval.depths=10"
  std::string haystack;
};

// Lists the options detectors, set and haystack.
void list_detect_options(OptionList& list, DetectOptions& options);
// Checks that the haystack can be read, where one is named.
Status check_haystack(const std::string& haystack);

struct DetectorPlan {
  std::shared_ptr<const Detector> detector;
  OptionSet options;
  bool named = true; // false: one of `all`, which the others do without if it fails
};

// The named detectors with their options set and checked. Errors name the detector or option and list what there is.
Result<std::vector<DetectorPlan>> plan_detectors(const DetectOptions& options);
// Replaces each file that `set` names with where(file).
void place_option_files(DetectOptions& options, const std::function<std::string(const std::string&)>& where);
// The SHA-256 of each file that an option names, since results depend on it.
Result<std::vector<std::string>> file_hashes(const std::vector<DetectorPlan>& plan);
// Notes which plugins were refused, since `all` does not include them.
void note_refused_plugins(const Context& context);

// Whether a detector failed because its default options do not suit this model (texts longer than its context), which
// is not the caller's mistake.
bool defaults_do_not_fit(const DetectorPlan& plan, const Error& error);

// The seeds of the detectors that have one.
std::vector<std::int64_t> seeds_of(const std::vector<DetectorPlan>& plan);

struct DetectorOutcome {
  std::string id, title;
  std::optional<DetectorResult> result; // nothing: it does not fit the model
  std::string skipped;                  // why
};

// What run_detectors() returns. Detectors run in order, and each is written as soon as it is done. A cancelled run ends
// early and is not complete. The result is unsupported when no detector fits the model.
struct DetectorOutcomes {
  std::vector<DetectorOutcome> list;
  bool complete = true;
  std::optional<Error> refused; // the file cannot be written; the last detector of the list is in no file
  std::optional<Error> failed;  // of the first one that failed though it was named; the others are not lost for it
};
// Also ends at a refused write, so that what was measured is not lost.
Result<DetectorOutcomes> run_detectors(const std::vector<DetectorPlan>& plan, const Engine& engine,
                                       const std::string& haystack, const Context& context,
                                       store::ResultWriter* writer);

nlohmann::json to_json(const DetectorOutcomes& outcomes);
// The strongest heads of each kind, as lines for a terminal.
std::string strongest_heads(const DetectorOutcomes& outcomes, std::size_t most);

} // namespace headscope::methods
