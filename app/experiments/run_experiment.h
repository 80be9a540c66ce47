// SPDX-License-Identifier: GPL-3.0-or-later
// Runs the unfinished cells of an experiment, keeps each in a journal, and makes the result file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/experiments/experiment.h"
#include "app/methods/run.h"
#include "core/batch/shard.h"

namespace headscope::experiments {

struct RunOptions {
  std::string out; // empty: the file that the experiment names
  bool force = false;
  std::optional<Shard> shard;        // only these cells, and no result file
  std::vector<std::string> journals; // of merge: more finished cells
  bool partial = false;              // of merge: a file of what there is
};

// Runs alone or with the ranks that mpirun started. `show` gets the summary on rank 0.
Status run_experiment(Experiment experiment, const RunOptions& options, const methods::Context& context,
                      const methods::Show& show);

// Estimates what a run would cost; runs one forward pass to measure the time.
Status dry_run(Experiment experiment, const methods::Context& context, const methods::Show& show);

} // namespace headscope::experiments
