// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <string_view>

namespace headscope::io {

// The text with every byte that is no UTF-8 as U+FFFD: what JSON, and so every message and listing, can carry.
std::string readable_utf8(std::string_view text);

} // namespace headscope::io
