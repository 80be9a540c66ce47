// SPDX-License-Identifier: GPL-3.0-or-later
// Makes the explanations of mechanisms from what they compute, on the CPU.
#pragma once

#include <string>
#include <vector>

#include "core/mechanisms/explanation.h"
#include "core/mechanisms/mechanism.h"
#include "core/mechanisms/text.h"

namespace headscope::mechanisms {

// The keys that each query of a head visits, which every mechanism has, and then what it says of itself. The text is
// whole, and as the mechanism prepared it.
std::vector<Explanation> explain_head(const Mechanism& mechanism, const Text& text, std::int64_t head);

// ---- Parts, for mechanisms

// The text with that head alone.
Text of_head(const Text& text, std::int64_t head);

// Collects regions row by row; what is the same for queries that follow each other becomes one.
class RegionRows {
public:
  // Runs of keys of the next queries, ascending.
  void add(Range queries, const std::vector<Explanation::Region>& runs); // whose queries are set here
  std::vector<Explanation::Region> take();

private:
  std::vector<Explanation::Region> done_, open_;
};

// Regions where x [query, unit] is not 0, with its values; the queries are from `first` on, a unit has `size` keys.
void add_units(RegionRows& rows, const at::Tensor& x, std::int64_t first, std::int64_t size, std::int64_t keys);
// Where units of that size begin.
Explanation units_of(const std::string& title, std::int64_t size, std::int64_t keys);

// The mean weight of a head by distance, and the decay γ^distance that fits it.
Explanation decay_by_distance(const Mechanism& mechanism, const Text& one);

std::vector<double> numbers_of(const at::Tensor& x);             // of one axis
std::vector<std::int64_t> whole_numbers_of(const at::Tensor& x); // of one axis

} // namespace headscope::mechanisms
