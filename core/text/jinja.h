// SPDX-License-Identifier: GPL-3.0-or-later
// The part of Jinja that chat templates are written in, rendered as transformers renders them (trim_blocks,
// lstrip_blocks).
//
// Statements: if/elif/else, for (with else and an if clause), set, break, continue, generation.
// Expressions: literals, attributes, items, slices, calls, filters, tests, inline if, and the operators
// or and not in is == != < <= > >= + - * / // % ~ (comparisons one at a time).
// Filters: trim upper lower string safe length count tojson default d join items replace first last list reverse
// select reject selectattr rejectattr map.
// Functions: namespace, raise_exception, range, strftime_now. Macros, imports and inheritance are not there.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace headscope::text {

// A dictionary keeps its order, as in Python. A discarded value stands for "undefined".
using JinjaValue = nlohmann::ordered_json;
using JinjaVariables = std::map<std::string, JinjaValue>;

namespace jinja {
struct Block; // the parsed template; see jinja_tree.h
}

class JinjaTemplate {
public:
  // Errors: corrupt for a syntax error, unsupported for a statement outside the subset; both name the line.
  static Result<JinjaTemplate> parse(std::string_view source);

  // Errors: unsupported for a filter, test, function or method outside the subset, invalid_argument for what the
  // template raises, corrupt for an operation that Python would refuse.
  Result<std::string> render(JinjaVariables variables) const;

private:
  explicit JinjaTemplate(std::shared_ptr<const jinja::Block> root) : root_(std::move(root)) {}
  std::shared_ptr<const jinja::Block> root_;
};

} // namespace headscope::text
