// SPDX-License-Identifier: GPL-3.0-or-later
// Opens and finishes the result file that a method writes; its parts are in app/runs/result_parts.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/methods/base/context.h"
#include "core/store/result_file.h"

namespace headscope::methods {

struct OutputOptions {
  std::string path; // empty: no file
  bool force = false;
  bool resumable = false; // cell by cell, with a journal beside the file: resumable.h
};

// Refuses an existing file or an unusable folder before any work. Returns nothing when no path is given.
Result<std::optional<store::ResultWriter>> open_output(const OutputOptions& options, const Context& context,
                                                       const std::vector<std::int64_t>& seeds = {});

// Publishes the file; a run that was cut short is marked incomplete and reported as cancelled.
Status finish_output(std::optional<store::ResultWriter>& writer, const OutputOptions& options, const Context& context,
                     bool complete);

} // namespace headscope::methods
