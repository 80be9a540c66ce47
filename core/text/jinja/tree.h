// SPDX-License-Identifier: GPL-3.0-or-later
// The syntax tree of a chat template. Private to core/text.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/text/jinja/jinja.h"
#include "core/text/jinja/value.h"

namespace headscope::text::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

enum class ExpressionKind {
  literal,    // value
  name,       // text
  body,       // the text of the block that a filter applies to
  list,       // arguments
  tuple,      // arguments
  dictionary, // arguments: key, value, key, value ...
  attribute,  // arguments[0] . text
  item,       // arguments[0] [ arguments[1] ]
  slice,      // arguments[0] [ 1 : 2 : 3 ], null where left out
  call,       // arguments[0] ( rest )
  filter,     // arguments[0] | text ( rest )
  test,       // arguments[0] is text ( rest )
  unary,      // text arguments[0]
  binary,     // arguments[0] text arguments[1]
  comparison, // arguments[0] operators[0] arguments[1] operators[1] ...
  choice      // arguments[0] if arguments[1] else arguments[2], which may be null
};

struct Expression {
  ExpressionKind kind = ExpressionKind::literal;
  std::string text;
  Value value;
  std::vector<ExpressionPtr> arguments;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  std::vector<std::string> operators;
  int height = 1; // of the tree from here, which bounds every recursion over it
};

enum class StatementKind {
  text,
  output,
  condition,
  loop,
  set,
  set_block,
  leave,
  next,
  macro,
  call_block,
  filter_block,
  scope
};

struct Block;

struct Branch {
  ExpressionPtr condition; // null: else
  std::unique_ptr<Block> body;
};

// The target of an assignment: a name, a member of a namespace, or several of them.
struct Target {
  std::string name;
  std::string member; // of the namespace `name`; empty: `name` itself
  std::vector<Target> parts;
};

struct Parameter {
  std::string name;
  ExpressionPtr otherwise; // null: undefined when it is not given
};

struct Statement {
  StatementKind kind = StatementKind::text;
  std::string text;                  // text; macro: its name
  std::vector<Target> targets;       // loop, set; scope: one for each of `values`
  std::vector<ExpressionPtr> values; // scope
  ExpressionPtr expression;          // output, loop, set, call_block, filter_block; set_block: the filter or null
  ExpressionPtr filter;              // loop: for ... if filter
  std::vector<Parameter> parameters; // macro, call_block
  std::vector<Branch> branches;      // condition; loop: the body and, when there is one, its else; otherwise the body
  bool recursive = false;            // loop
};

struct Block {
  std::vector<Statement> statements;
};

std::shared_ptr<const Block> parse(std::string_view source);       // throws Failure
std::string render(const Block& root, JinjaVariables&& variables); // throws Failure

} // namespace headscope::text::jinja
