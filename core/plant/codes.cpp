// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/plant/codes.h"

#include <algorithm>
#include <bit>

namespace headscope::plant {

namespace {

bool is_far(const std::vector<Code>& codes, std::uint32_t bits, int distance) {
  return std::none_of(codes.begin(), codes.end(),
                      [&](const Code& code) { return std::popcount(code.bits() ^ bits) < distance; });
}

std::uint32_t random_bits(int size, Splitmix& random) {
  return static_cast<std::uint32_t>(random.next() >> (64 - size));
}

} // namespace

void add_codes(std::vector<Code>& codes, std::size_t count, int size, int distance, Splitmix& random) {
  for (const std::size_t end = codes.size() + count; codes.size() < end;) {
    const std::uint32_t bits = random_bits(size, random);
    if (is_far(codes, bits, distance)) codes.emplace_back(bits);
  }
}

std::vector<Code> draw_short_codes(std::size_t count, int size, int distance, Splitmix& random) {
  std::vector<Code> codes;
  for (std::uint32_t bits = 0; bits < 1U << size; ++bits)
    if (is_far(codes, bits, distance)) codes.emplace_back(bits);
  random.shuffle(codes);
  codes.resize(std::min(codes.size(), count));
  const std::uint32_t offset = random_bits(size, random);
  for (Code& code : codes)
    code = Code(code.bits() ^ offset);
  return codes;
}

} // namespace headscope::plant
