// SPDX-License-Identifier: GPL-3.0-or-later
// An experiment with its models inspected, its prompts made and its cells counted. One model is in memory at a time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/experiments/experiment.h"
#include "core/batch/ranks.h"

namespace headscope::experiments {

// A step on one of the models.
struct Part {
  std::size_t model = 0, step = 0; // of the experiment
  std::string name;                // of its group in the result file
  std::int64_t first_cell = 0;
  std::vector<bool> waits; // [cell]: whether it waits for the results of all others

  std::int64_t cells() const { return std::ssize(waits); }
  std::int64_t end() const { return first_cell + cells(); }
};

struct BoundExperiment {
  Experiment spec;            // its steps are bound to the model in memory
  std::vector<Part> parts;    // model by model, then step by step; so are their cells
  std::string fingerprint;    // SHA-256 of everything the results depend on
  nlohmann::json dropped;     // what of which task's prompts does not align under a model's tokenizer
  methods::ModelOptions load; // as this process loads models

  // The model in memory, its prompts by task, and the beginning of their ids: the task's name, followed by the model's
  // where its tokenizer makes other prompts than the first model's.
  std::size_t model = 0;
  std::unique_ptr<Engine> engine;
  std::map<std::string, TaskSet> tasks;
  std::map<std::string, std::string> labels;

  // Loads a model unless it is in memory, after freeing the other one.
  Status open(std::size_t wanted, const methods::Context& context);

  bool several() const { return spec.models.size() > 1; }
  std::int64_t cells() const { return parts.back().end(); }
  const Part& part_of(std::int64_t cell) const;
  const Step& step_of(const Part& part) const { return *spec.steps[part.step]; } // whichever model is in memory
  bool waits(std::int64_t cell) const;
  // Selects the part's own cells.
  static CellResults of_part(const Part& part, const CellResults& all);
  // Runs a cell of a part whose model is in memory.
  Result<nlohmann::json> run(std::int64_t cell, const CellResults& all, const methods::Context& context) const;

private:
  Status make_tasks();
  Status bind_steps();

  bool fresh_ = true;                                // the steps are as they were read
  std::map<std::string, std::string> first_prompts_; // hashes of the first model's, by task
};

// Binds an experiment. With several ranks on a machine, each takes its GPU and its share of the cores. Every model is
// loaded once.
Result<BoundExperiment> bind_experiment(Experiment experiment, const Ranks& ranks, const methods::Context& context);

// Writes the result file of the finished cells; `provenance.created` makes it the same whenever it is written. Where
// there are several models, one without a finished cell is omitted.
Status write_result(BoundExperiment& bound, const CellResults& done, const std::string& path, bool overwrite,
                    const store::Provenance& provenance, const methods::Context& context);

} // namespace headscope::experiments
