// SPDX-License-Identifier: GPL-3.0-or-later
// Binary codes: vectors of +1 and -1 of which no two are alike.
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

// Any two differ in at least `distance` of their `size` places. Asks for no more than the Gilbert-Varshamov bound
// promises, or it may not end.
std::vector<Code> draw_codes(std::size_t count, int size, int distance, Splitmix& random);

} // namespace headscope::plant
