// SPDX-License-Identifier: GPL-3.0-or-later
// Detectors: what there is, running one, and keeping what they found as a result file. Jobs of the engine's thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/task.h"
#include "plugins/host/plugin_entry.h"
#include "plugins/sdk/detector_result.h"
#include "plugins/sdk/options.h"

namespace headscope::gui {

struct EngineState;

struct DetectorInfo {
  std::string id, title, description, reference;
  std::vector<OptionSpec> options;
};

// Those of all plugins that are loaded; from any thread.
std::vector<DetectorInfo> list_detectors();

// Every plugin, also those that were refused; from any thread.
const std::vector<plugin::PluginEntry>& list_plugins();

struct DetectorRequest {
  std::string id;
  std::map<std::string, std::string> options; // by name, as text
  std::string haystack;                       // a text file or folder, or empty: generated text
};

struct DetectorAnswer {
  DetectorRequest request;
  std::string title;
  std::string model_sha256;
  std::shared_ptr<const DetectorResult> result;
};

// Returns unsupported when it does not fit the model. A run that is cancelled after it has measured something is a
// result.
Result<DetectorAnswer> run_detector(EngineState& state, const DetectorRequest& request, const TaskContext& task);

struct SaveRequest {
  std::string path;
  bool overwrite = false;
  std::vector<DetectorAnswer> answers;
};

// The file as `headscope detect` writes it. Returns mismatch when another model is open by now. Returns the path.
Result<std::string> save_detectors(EngineState& state, const SaveRequest& request, const TaskContext& task);

} // namespace headscope::gui
