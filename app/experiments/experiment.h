// SPDX-License-Identifier: GPL-3.0-or-later
// An experiment as described by its TOML file. docs/experiments.md is the schema.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/experiments/model_list.h"
#include "app/experiments/step.h"
#include "app/methods/inputs/model_options.h"
#include "app/methods/inputs/task_options.h"

namespace headscope::experiments {

struct ExperimentTask {
  std::string name; // how steps call it
  methods::TaskOptions options;
};

struct Experiment {
  std::string file, text;
  std::string name, out;
  methods::ModelOptions model;         // how each is loaded; its name is the first one's
  std::vector<ExperimentModel> models; // at least one
  std::vector<ExperimentTask> tasks;
  std::vector<std::unique_ptr<Step>> steps; // not bound yet
};

// Parses an experiment. Errors name the file, line and column. A relative path of a file of prompts is relative to the
// experiment's.
Result<Experiment> parse_experiment(const std::string& text, const std::string& file);

} // namespace headscope::experiments
