// SPDX-License-Identifier: GPL-3.0-or-later
// Round numbers for axes, and the way numbers are written in a figure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace headscope::figures {

struct Tick {
  double value = 0;
  std::string label; // with U+2212 as minus
};

// Multiples of 1, 2 or 5 times a power of ten inside [low, high]: at most max_count, at least two where
// max_count allows and the range holds them.
std::vector<Tick> linear_ticks(double low, double high, int max_count);
// Powers of ten inside [low, high], thinned to max_count; 1, 2 and 5 times them where there are few.
std::vector<Tick> log_ticks(double low, double high, int max_count);

// The smallest of 1, 2, 5, 10, 20, … that is at least `least`.
std::int64_t nice_step(double least);

// How many digits after the point tell values of this range apart in a cell.
int decimals_for_range(double range);
std::string format_fixed(double value, int decimals);

} // namespace headscope::figures
