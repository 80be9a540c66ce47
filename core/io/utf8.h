// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <string_view>

namespace headscope::io {

// The text with every byte that is not UTF-8 replaced by U+FFFD, as JSON, and so every message and listing, requires.
std::string readable_utf8(std::string_view text);

} // namespace headscope::io
