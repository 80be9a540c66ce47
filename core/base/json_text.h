// SPDX-License-Identifier: GPL-3.0-or-later
// JSON of files that others wrote: what Python's json module writes, and no deeper than the readers can follow.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "core/base/result.h"

namespace headscope {

// Python writes NaN, Infinity and -Infinity, which JSON does not have, and numbers beyond a double's range are written
// too. Each becomes a string of that spelling: it does no harm in a field that nobody reads, and is refused as no
// number in one that somebody does. Errors: corrupt, naming `file` with line and column, also beyond limits::nesting.
Result<nlohmann::json> parse_json(std::string_view text, const std::string& file);

// The file's text as parse_json() reads it. Errors: those of read_regular_file() too.
Result<nlohmann::json> read_json_file(const std::string& path);
// The same; corrupt unless it is an object.
Result<nlohmann::json> read_json_object(const std::string& path);

} // namespace headscope
