// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/batch/crc32c.h"

#include <array>
#include <cstddef>

namespace headscope {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit)
      value = value & 1u ? value >> 1 ^ 0x82F63B78u : value >> 1;
    table[i] = value;
  }
  return table;
}
constexpr std::array<std::uint32_t, 256> table = make_table();

} // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = ~0u;
  for (const char c : bytes)
    crc = crc >> 8 ^ table[static_cast<std::size_t>((crc ^ static_cast<unsigned char>(c)) & 0xFFu)];
  return ~crc;
}

} // namespace headscope
