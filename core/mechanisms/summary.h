// SPDX-License-Identifier: GPL-3.0-or-later
// Two figures by which CAB compares mechanisms (github.com/Shark-NLP/CAB): from which length on one is cheaper than
// full attention, and how good it is by several metrics together.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace headscope::mechanisms {

// Fits a n² + b n + c to full attention's cost and e + f n to the mechanism's by least squares, and returns the length
// where they cross, of which full attention is dearer beyond. nullopt with fewer than three lengths, or where full
// attention's cost does not grow quadratically or the two do not cross.
std::optional<double> efficiency_length(const std::vector<std::int64_t>& tokens, const std::vector<double>& full,
                                        const std::vector<double>& mechanism);

// Values of one metric of all mechanisms.
struct ComparedMetric {
  std::vector<double> values;
  bool less_is_better = true;
};

// Returns for each mechanism the mean over the metrics of (x - mean) / standard deviation, the sign such that more is
// better. A metric in which all are equal counts 0. Empty for fewer than two mechanisms.
std::vector<double> compositional_index(const std::vector<ComparedMetric>& metrics);

} // namespace headscope::mechanisms
