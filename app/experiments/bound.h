// SPDX-License-Identifier: GPL-3.0-or-later
// An experiment with its models looked at, its prompts made and its cells counted. One model is in memory at a time.
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
  std::vector<bool> waits; // of its cells: whether one takes the results of all others

  std::int64_t cells() const { return std::ssize(waits); }
  std::int64_t end() const { return first_cell + cells(); }
};

struct BoundExperiment {
  Experiment spec;            // its steps are bound to the model in memory
  std::vector<Part> parts;    // model by model, then step by step; so are their cells
  std::string fingerprint;    // SHA-256 of everything the results depend on
  nlohmann::json dropped;     // what of which task's prompts does not align under a model's tokenizer
  methods::ModelOptions load; // as this process loads models

  // The model in memory, its prompts by task, and what their ids begin with: the task's name, behind which the model's
  // stands where its tokenizer makes other prompts than the first model's.
  std::size_t model = 0;
  std::unique_ptr<Engine> engine;
  std::map<std::string, TaskSet> tasks;
  std::map<std::string, std::string> labels;

  // Nothing where it is in memory. The other one goes first.
  Status open(std::size_t wanted, const methods::Context& context);

  bool several() const { return spec.models.size() > 1; }
  std::int64_t cells() const { return parts.back().end(); }
  const Part& part_of(std::int64_t cell) const;
  const Step& step_of(const Part& part) const { return *spec.steps[part.step]; } // whichever model is in memory
  bool waits(std::int64_t cell) const;
  // The part's own cells out of all.
  static CellResults of_part(const Part& part, const CellResults& all);
  // Of a part whose model is in memory.
  Result<nlohmann::json> run(std::int64_t cell, const CellResults& all, const methods::Context& context) const;

private:
  Status make_tasks();
  Status bind_steps();

  bool fresh_ = true;                                // the steps are as they were read
  std::map<std::string, std::string> first_prompts_; // hashes of the first model's, by task
};

// With several ranks on a machine each takes its GPU and its part of the cores. Every model is loaded once.
Result<BoundExperiment> bind_experiment(Experiment experiment, const Ranks& ranks, const methods::Context& context);

// The result file of the finished cells; `provenance.created` makes it the same whenever it is written. A model of
// which no cell is finished is not in it, where there are several.
Status write_result(BoundExperiment& bound, const CellResults& done, const std::string& path, bool overwrite,
                    const store::Provenance& provenance, const methods::Context& context);

} // namespace headscope::experiments
