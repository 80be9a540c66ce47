// SPDX-License-Identifier: GPL-3.0-or-later
// `path` of an experiment's [model]: one model, or several that every step runs on.
#pragma once

#include <string>
#include <vector>

#include "app/experiments/toml_table.h"

namespace headscope::experiments {

struct ExperimentModel {
  std::string path; // as --model takes it
  std::string name; // stands behind the names of its results; empty where it is the only one
};

// As they stand in the file; none where the key is missing.
std::vector<std::string> read_model_paths(TomlTable& table);

// Those that lie beside the experiment's file with their path, and a name each where they are several. Of several each
// must be there, once. Errors stand at the list's element.
Result<std::vector<ExperimentModel>> name_models(const TomlTable& table, const std::string& experiment,
                                                 const std::vector<std::string>& paths);

// "heads-ckpt-1000", as a sweep names its steps.
std::string with_model(const std::string& name, const ExperimentModel& model);

} // namespace headscope::experiments
