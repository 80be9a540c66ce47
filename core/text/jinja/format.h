// SPDX-License-Identifier: GPL-3.0-or-later
// Formats values as text: Python's "%", str.format() and json.dumps(). Private to core/text.
#pragma once

#include <optional>
#include <string>

#include "core/text/jinja/value.h"

namespace headscope::text::jinja {

std::string percent_format(Maker& make, const std::string& format, const Value& values);
std::string brace_format(Maker& make, const std::string& format, const Arguments& arguments);

struct JsonStyle {
  bool ascii = false; // everything else as \u escapes
  bool sorted = false;
  std::optional<std::string> indent; // of one level; none: one line
  std::string between = ", ", colon = ": ";
};
std::string json_text(Maker& make, const Value& value, const JsonStyle& style);

} // namespace headscope::text::jinja
