// SPDX-License-Identifier: GPL-3.0-or-later
// Writes what circuits share, as a picture and as numbers.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/circuits/circuit.h"

namespace headscope::cli {

// Overlaps of every circuit with every other.
struct CircuitOverlaps {
  std::vector<std::string> names;         // of the circuits
  std::vector<CircuitComparison> between; // [first, second]
};

struct OverlapTarget {
  std::string folder; // empty: nothing is written
  std::string formats = "png,csv";
  bool overwrite = false;
};

// Writes circuit-compare.png, ... and returns the files' names. Errors: invalid_argument of --format; already_exists;
// io; unsupported in a build without Qt.
Result<std::vector<std::string>> write_overlaps(const CircuitOverlaps& overlaps, const OverlapTarget& target);

} // namespace headscope::cli
