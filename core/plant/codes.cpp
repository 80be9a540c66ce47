// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/plant/codes.h"

#include <algorithm>
#include <bit>

namespace headscope::plant {

std::vector<Code> draw_codes(std::size_t count, int size, int distance, Splitmix& random) {
  std::vector<Code> codes;
  while (codes.size() < count) {
    const auto bits = static_cast<std::uint32_t>(random.next() >> (64 - size));
    const bool near = std::any_of(codes.begin(), codes.end(),
                                  [&](const Code& code) { return std::popcount(code.bits() ^ bits) < distance; });
    if (!near) codes.emplace_back(bits);
  }
  return codes;
}

} // namespace headscope::plant
