// SPDX-License-Identifier: GPL-3.0-or-later
// The data sent to a Python detector: the model in JSON; prompts, activations and weights in HDF5.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/engine/hook.h"
#include "core/store/result_types.h"
#include "plugins/sdk/detector.h"

namespace headscope::plugin {

// The data that a detector asks for.
struct Plan {
  std::vector<store::Prompt> prompts;
  std::vector<HookSite> capture;
  std::vector<std::string> weights; // "W_E", "W_U", "W_Q", "W_K", "W_V", "W_O"
};

// Describes name, shape and kind of the model with the keys of `headscope model info`.
nlohmann::json model_json(const Model& model);

// Reads the plan. Returns corrupt, naming its field; mismatch for prompts and hook points that the model does not
// support.
Result<Plan> read_plan(const nlohmann::json& json, const Engine& engine, const std::string& script);

nlohmann::json to_json(const std::vector<store::Prompt>& prompts);

// Runs the prompts one by one and writes a file of docs/file-format.md with
// /prompts/ID, /activations/ID/HOOK (without the batch axis), /weights/NAME.
// Returns invalid_argument when that would be more than 4 GiB.
Status write_data(const Plan& plan, const DetectorRun& run, const std::string& file);

} // namespace headscope::plugin
