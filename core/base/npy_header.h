// SPDX-License-Identifier: GPL-3.0-or-later
// The beginning of a .npy file (format 1.0): magic number, a Python dictionary padded to 64 bytes; the numbers follow.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace headscope {

// `type` as numpy writes it: "<f4".
std::string npy_header(std::string_view type, const std::vector<std::int64_t>& shape);

} // namespace headscope
