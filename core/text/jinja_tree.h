// SPDX-License-Identifier: GPL-3.0-or-later
// Syntax tree of a chat template. Private to core/text.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/text/jinja.h"

namespace headscope::text::jinja {

// Thrown and caught inside core/text/jinja*.cpp only.
struct Failure {
  ErrorCode code;
  std::string message;
};

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

enum class ExpressionKind {
  literal,    // value
  name,       // text
  list,       // arguments
  dictionary, // arguments: key, value, key, value ...
  attribute,  // arguments[0] . text
  item,       // arguments[0] [ arguments[1] ]
  slice,      // arguments[0] [ 1 : 2 : 3 ], null where left out
  call,       // arguments[0] ( rest )
  filter,     // arguments[0] | text ( rest )
  test,       // arguments[0] is text ( rest )
  unary,      // text arguments[0]
  binary,     // arguments[0] text arguments[1]
  choice      // arguments[0] if arguments[1] else arguments[2], which may be null
};

struct Expression {
  ExpressionKind kind = ExpressionKind::literal;
  std::string text;
  JinjaValue value;
  std::vector<ExpressionPtr> arguments;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
};

enum class StatementKind { text, output, condition, loop, set, set_block, leave, next };

struct Block;

struct Branch {
  ExpressionPtr condition; // null: else
  std::unique_ptr<Block> body;
};

struct Statement {
  StatementKind kind = StatementKind::text;
  std::string text;                 // text
  std::vector<std::string> targets; // loop, set; "ns.name" sets a member of a namespace
  ExpressionPtr expression;         // output, loop, set
  ExpressionPtr filter;             // loop: for ... if filter
  std::vector<Branch> branches;     // condition; loop: the body and, when there is one, its else
};

struct Block {
  std::vector<Statement> statements;
};

std::shared_ptr<const Block> parse(std::string_view source);       // throws Failure
std::string render(const Block& root, JinjaVariables&& variables); // throws Failure

// Operations on values, shared by the renderer's parts; all throw Failure.
JinjaValue undefined();
bool is_undefined(const JinjaValue& value);
bool truth(const JinjaValue& value);
std::string to_text(const JinjaValue& value); // as Python's str()
std::size_t length_of(const JinjaValue& value);
bool contains(const JinjaValue& container, const JinjaValue& value);
JinjaValue binary(const std::string& operation, const JinjaValue& left, const JinjaValue& right);
JinjaValue item_of(const JinjaValue& value, const JinjaValue& key);
JinjaValue slice_of(const JinjaValue& value, const JinjaValue& start, const JinjaValue& stop, const JinjaValue& step);

using Named = std::vector<std::pair<std::string, JinjaValue>>;
JinjaValue apply_filter(const std::string& name, const JinjaValue& value, const std::vector<JinjaValue>& arguments,
                        const Named& named);
bool apply_test(const std::string& name, const JinjaValue& value, const std::vector<JinjaValue>& arguments);
JinjaValue call_function(const std::string& name, const std::vector<JinjaValue>& arguments, const Named& named);
JinjaValue call_method(const std::string& name, const JinjaValue& value, const std::vector<JinjaValue>& arguments);

} // namespace headscope::text::jinja
