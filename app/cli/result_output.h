// SPDX-License-Identifier: GPL-3.0-or-later
// From models, prompts and detector results to a result file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/cli/command.h"
#include "app/cli/model_options.h"
#include "core/analysis/head_ablation.h"
#include "core/model/model.h"
#include "core/store/result_file.h"
#include "plugins/sdk/detector.h"

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
store::Prompt prompt_of(const Model& model, const std::string& id, const std::vector<std::int64_t>& ids);

// Scores, maps, findings, prompts and tables of one detector, and its options.
Status write_detector(store::ResultWriter& writer, const Detector& detector, const OptionSet& options,
                      const std::string& haystack, const DetectorResult& result);

// Publishes the file; a run that Ctrl-C cut short is marked incomplete and reported as cancelled.
Status finish_output(std::optional<store::ResultWriter>& writer, const OutputOptions& options, const Console& console,
                     bool complete);

} // namespace headscope::cli
