// SPDX-License-Identifier: GPL-3.0-or-later
// An experiment with its model loaded, its prompts made and its cells counted.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/experiments/experiment.h"
#include "core/batch/ranks.h"

namespace headscope::experiments {

struct BoundExperiment {
  Experiment spec;
  std::unique_ptr<Engine> engine;
  std::map<std::string, TaskSet> tasks;  // by name
  std::vector<std::int64_t> first_cells; // of each step; one more: the number of all cells
  std::string fingerprint;               // SHA-256 of everything the results depend on

  std::int64_t cells() const { return first_cells.back(); }
  std::size_t step_of(std::int64_t cell) const;
  bool waits(std::int64_t cell) const;
  // The step's own cells out of all.
  CellResults of_step(std::size_t step, const CellResults& all) const;
  Result<nlohmann::json> run(std::int64_t cell, const CellResults& all, const methods::Context& context) const;
};

// With several ranks on a machine each takes its GPU and its part of the cores.
Result<BoundExperiment> bind_experiment(Experiment experiment, const Ranks& ranks, const methods::Context& context);

// The result file of the finished cells; `provenance.created` makes it the same whenever it is written.
Status write_result(const BoundExperiment& bound, const CellResults& done, const std::string& path, bool overwrite,
                    const store::Provenance& provenance);

} // namespace headscope::experiments
