// SPDX-License-Identifier: GPL-3.0-or-later
// Reads and writes growth runs: .json files hold a JSON document, .h5 files a table /bench/growth
// (docs/file-format.md).
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "app/methods/base/context.h"
#include "app/methods/bench/growth.h"

namespace headscope::methods {

nlohmann::json to_json(const GrowthRun& run);

// Checks the path before any work. Returns invalid_argument for another ending, already_exists unless `force`.
Status check_run_file(const std::string& path, bool force);
Status save_run(const GrowthRun& run, const std::string& path, bool force, const Context& context, bool complete);
// Reads a run. Returns corrupt, naming the field, for a file that holds none.
Result<GrowthRun> read_run(const std::string& path);

} // namespace headscope::methods
