// SPDX-License-Identifier: GPL-3.0-or-later
// Reads `path` of an experiment's [model]: one model, or several that every step runs on.
#pragma once

#include <string>
#include <vector>

#include "core/io/toml_table.h"

namespace headscope::experiments {

struct ExperimentModel {
  std::string path; // as --model takes it
  std::string name; // appended to the names of its results; empty where it is the only model
};

// Reads the paths as written in the file; none where the key is missing.
std::vector<std::string> read_model_paths(TomlTable& table);

// Resolves models beside the experiment's file, and names each where there are several; each must then exist, and be
// listed once. Errors are at the list's element.
Result<std::vector<ExperimentModel>> name_models(const TomlTable& table, const std::string& experiment,
                                                 const std::vector<std::string>& paths);

// Appends the model's name as a sweep names its steps: "heads-ckpt-1000".
std::string with_model(const std::string& name, const ExperimentModel& model);

} // namespace headscope::experiments
