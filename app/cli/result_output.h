// SPDX-License-Identifier: GPL-3.0-or-later
// --out and --force, and the file that a command writes; its parts are in app/runs/result_parts.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/cli/command.h"
#include "app/cli/model_options.h"
#include "app/runs/result_parts.h"
#include "core/analysis/head_ablation.h"

namespace headscope::cli {

struct OutputOptions {
  std::string path; // empty: no file
  bool force = false;
};

// --out and --force.
void add_output_options(CLI::App& command, OutputOptions& options, bool required);

// Refuses an existing file or an unusable folder now, before any work. Nothing when no path is given.
Result<std::optional<store::ResultWriter>> open_output(const OutputOptions& options, const Console& console,
                                                       const std::vector<std::int64_t>& seeds = {});

// /model, and how it was loaded as /options/model.
Status store_model(store::ResultWriter& writer, const Model& model, const ModelOptions& options);

// Publishes the file; a run that Ctrl-C cut short is marked incomplete and reported as cancelled.
Status finish_output(std::optional<store::ResultWriter>& writer, const OutputOptions& options, const Console& console,
                     bool complete);

} // namespace headscope::cli
