// SPDX-License-Identifier: GPL-3.0-or-later
// Binary codes: vectors of +1 and -1, no two of which are alike.
#pragma once

#include <cstdint>
#include <vector>

#include "core/plant/numbers.h"

namespace headscope::plant {

class Code {
public:
  Code() = default;
  explicit Code(std::uint32_t bits) : bits_(bits) {}
  double at(int i) const { return (bits_ >> i & 1U) != 0 ? 1.0 : -1.0; }
  std::uint32_t bits() const { return bits_; }

private:
  std::uint32_t bits_ = 0;
};

// Adds random codes that differ from all others in at least `distance` of their `size` places. Guaranteed to end only
// up to the number of codes that the Gilbert-Varshamov bound promises.
void add_codes(std::vector<Code>& codes, std::size_t count, int size, int distance, Splitmix& random);

// Draws short codes that are packed more densely: chosen from the lexicode (Conway and Sloane 1986), moved by a
// random code. For distance 4 it has 64 codes of 11 places and 512 of 14; fewer are returned when it has fewer.
std::vector<Code> draw_short_codes(std::size_t count, int size, int distance, Splitmix& random);

} // namespace headscope::plant
