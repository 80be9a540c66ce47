// SPDX-License-Identifier: GPL-3.0-or-later
// Makes text that others wrote (names in files, tokens, plugin output) harmless before it is shown or used.
#pragma once

#include <string>
#include <string_view>

namespace headscope {

// Makes one line for a terminal. Control characters (line feeds, ESC, and U+0080 to U+009F, which terminals obey as
// well), bytes that are not UTF-8, and marks that change the writing direction become escapes such as \x0a and \u009b.
std::string plain_text(std::string_view text);

// Makes one component of a path: plain_text() with characters special to file systems and shells ('/', '\', and at the
// beginning '.' and '-') replaced by '_', and at most `most` bytes. Never empty.
std::string file_name_text(std::string_view text, std::size_t most = 200);

} // namespace headscope
