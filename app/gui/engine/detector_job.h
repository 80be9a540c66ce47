// SPDX-License-Identifier: GPL-3.0-or-later
// Lists detectors, runs one, and saves what they found as a result file. Jobs of the engine's thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/run_control.h"
#include "plugins/host/plugin_entry.h"
#include "plugins/sdk/detector_result.h"
#include "plugins/sdk/options.h"

namespace headscope::gui {

struct EngineState;

struct DetectorInfo {
  std::string id, title, description, reference;
  std::vector<OptionSpec> options;
};

// Lists the detectors of all loaded plugins; may be called from any thread.
std::vector<DetectorInfo> list_detectors();

// Lists every plugin, including refused ones; may be called from any thread.
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
  std::string plan = {}; // of attention, that it ran under; empty: full attention
};

// Returns unsupported when it does not fit the model. A run that is cancelled after it has measured something is a
// result.
Result<DetectorAnswer> run_detector(EngineState& state, const DetectorRequest& request, const RunControl& control);

struct SaveRequest {
  std::string path;
  bool overwrite = false;
  std::vector<DetectorAnswer> answers;
};

// Writes answers that ran under one plan as a result file, as `headscope detect` does, of a model with these
// attributes. May be called from any thread.
Status write_detectors(const SaveRequest& request, const store::Attributes& model, const RunControl& control = {});

// Writes the file as `headscope detect` does and returns its path; returns mismatch when another model is open by now.
Result<std::string> save_detectors(EngineState& state, const SaveRequest& request, const RunControl& control);

} // namespace headscope::gui
