// SPDX-License-Identifier: GPL-3.0-or-later
// Makes the explanations of mechanisms from what they compute, on the CPU.
#pragma once

#include <functional>
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

// Units of `size` keys, and what a query chose among them.
struct ExplainedUnits {
  const char* title; // of what was chosen
  const char* units; // what they are called
  std::int64_t size;
  std::int64_t first = 0; // query that chooses
};
// Values [query, unit] of what some queries chose; 0: not chosen.
using UnitChoice = std::function<at::Tensor(Range queries)>;
// The regions that were chosen, with their values, and where units begin.
std::vector<Explanation> explain_units(const Text& one, const ExplainedUnits& units, const UnitChoice& choice);
// Where units of that size begin.
Explanation units_of(const std::string& title, std::int64_t size, std::int64_t keys);

// The mean weight of a head by distance, and the decay γ^distance that fits it.
Explanation decay_by_distance(const Mechanism& mechanism, const Text& one);

std::vector<double> numbers_of(const at::Tensor& x);             // of one axis
std::vector<std::int64_t> whole_numbers_of(const at::Tensor& x); // of one axis

} // namespace headscope::mechanisms
