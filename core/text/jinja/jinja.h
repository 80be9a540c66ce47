// SPDX-License-Identifier: GPL-3.0-or-later
// Jinja as transformers renders chat templates with it: trim_blocks, lstrip_blocks, break and continue, the sandbox
// whose values never change, and its own tojson, strftime_now, raise_exception and generation blocks.
//
// Not supported: templates of other files (include, import, extends), and the filters filesizeformat, pprint, random,
// striptags, urlize, wordwrap and xmlattr. Numbers have 64 bits. What a template may use is bounded by
// limits::template_*.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace headscope::text {

// Dictionaries keep their order, as in Python. A discarded value means "undefined".
using JinjaValue = nlohmann::ordered_json;
using JinjaVariables = std::map<std::string, JinjaValue>;

namespace jinja {
struct Block; // the parsed template; see tree.h
}

class JinjaTemplate {
public:
  // Errors: corrupt for a syntax error, unsupported for a statement that is not supported; both name the line.
  static Result<JinjaTemplate> parse(std::string_view source);

  // Errors: unsupported for a filter, test, function or method that is not supported, invalid_argument for what the
  // template raises, corrupt for an operation that Python would refuse.
  Result<std::string> render(JinjaVariables variables) const;

private:
  explicit JinjaTemplate(std::shared_ptr<const jinja::Block> root) : root_(std::move(root)) {}
  std::shared_ptr<const jinja::Block> root_;
};

} // namespace headscope::text
