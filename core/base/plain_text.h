// SPDX-License-Identifier: GPL-3.0-or-later
// Text that others wrote (names in files, tokens, what a plugin says), made harmless before it is shown or used.
#pragma once

#include <string>
#include <string_view>

namespace headscope {

// One line for a terminal. Control characters (line feeds, ESC, and U+0080 to U+009F, which terminals obey as well),
// bytes that are no UTF-8, and marks that turn the direction of writing become \x0a, \u009b and their like.
std::string plain_text(std::string_view text);

// One link of a path: plain_text() without anything that is a file system's or a shell's own ('/', '\', and at the
// beginning '.' and '-'), each of which becomes '_', and no longer than `most` bytes. Never empty.
std::string file_name_text(std::string_view text, std::size_t most = 200);

} // namespace headscope
