// SPDX-License-Identifier: GPL-3.0-or-later
// Checks the text of a TOML file before it is parsed: the packaged parser recurses as deep as the text is nested, and
// accepts invalid code points.
#pragma once

#include <string>

#include "core/base/result.h"

namespace headscope {

// Returns invalid_argument with the line for text that is not UTF-8, an escape of a code point that Unicode does not
// have, or keys and brackets nested beyond limits::nesting.
Status check_toml_text(const std::string& text, const std::string& file);

} // namespace headscope
