// SPDX-License-Identifier: GPL-3.0-or-later
// Draws the circuits in a result file.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"

namespace headscope::cli {

bool is_picture_format(const std::string& format); // png, svg, pdf

struct CircuitPicture {
  std::string graph; // its name in the file
  std::string format, path;
};

// Errors: unsupported in a build without Qt, and for a circuit without edges; already_exists; io.
Status draw_circuits(const std::string& result_file, const std::vector<CircuitPicture>& pictures, bool overwrite);

} // namespace headscope::cli
