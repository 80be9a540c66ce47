// SPDX-License-Identifier: GPL-3.0-or-later
// Parses JSON of files that others wrote: all that Python's json module writes, up to a depth that the readers can
// handle.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "core/base/result.h"

namespace headscope {

// Python writes NaN, Infinity and -Infinity, which JSON does not have, and numbers beyond a double's range are written
// too. Each becomes a string of that spelling: harmless in a field that is not read, and refused as not a number in one
// that is. Errors: corrupt, naming `file` with line and column, also beyond limits::nesting.
Result<nlohmann::json> parse_json(std::string_view text, const std::string& file);

// Parses a file with parse_json(). Errors: also those of read_regular_file().
Result<nlohmann::json> read_json_file(const std::string& path);
// The same, but returns corrupt unless the file is an object.
Result<nlohmann::json> read_json_object(const std::string& path);

} // namespace headscope
