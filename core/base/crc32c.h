// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string_view>

namespace headscope {

// Computes CRC-32C (Castagnoli, RFC 3720 appendix B.4); "123456789" gives 0xE3069283.
std::uint32_t crc32c(std::string_view bytes);

} // namespace headscope
