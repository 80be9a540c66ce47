// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace headscope::figures {

// Makes a token's bytes readable on one line, as valid UTF-8: space, newline and tab become ␣ ⏎ ⇥, other
// control characters their pictures (␀ …), invisible or direction-changing characters U+200B, bytes that
// are not UTF-8 \xE2. In labels longer than max_length characters as a reader counts them (graphemes), the middle is
// replaced by "…".
std::string token_label(std::string_view bytes, std::size_t max_length = 14);

} // namespace headscope::figures
