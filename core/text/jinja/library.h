// SPDX-License-Identifier: GPL-3.0-or-later
// Filters, tests, functions and methods of chat templates. Private to core/text.
#pragma once

#include <string>

#include "core/text/jinja/value.h"

namespace headscope::text::jinja {

bool is_filter(std::string_view name);
Value apply_filter(Maker& make, const std::string& name, const Value& value, const Arguments& arguments);
bool apply_test(Maker& make, const std::string& name, const Value& value, const Arguments& arguments);

bool is_function(const std::string& name);
Value call_function(Maker& make, const std::string& name, const Arguments& arguments);

bool has_method(const Value& value, const std::string& name);
Value call_method(Maker& make, const Value& value, const std::string& name, const Arguments& arguments);

// Functions on texts; all define white space as Python does.
std::string strip(std::string_view text, const Value* given, bool left, bool right);
std::string upper(const std::string& text);
std::string lower(const std::string& text);
std::string capitalized(const std::string& text);
std::vector<std::string> lines_of(const std::string& text, bool keep_ends);
std::string replaced(Maker& make, const std::string& text, const std::string& from, const std::string& to,
                     std::int64_t most);
const std::string& text_argument(const Arguments& arguments, std::size_t place, const char* name,
                                 const std::string& callee);
std::int64_t whole_argument(const Arguments& arguments, std::size_t place, const char* name, std::int64_t otherwise);

} // namespace headscope::text::jinja
