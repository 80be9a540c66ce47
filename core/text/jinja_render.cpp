// SPDX-License-Identifier: GPL-3.0-or-later
#include <exception>

#include "core/text/jinja_tree.h"
#include "core/text/unicode.h"

namespace headscope::text {

namespace jinja {

namespace {

enum class Flow { on, leave, next };

class Renderer {
public:
  explicit Renderer(JinjaVariables&& variables) { scopes_.push_back(std::move(variables)); }

  Flow run(const Block& block) {
    for (const Statement& statement : block.statements) {
      const Flow flow = run(statement);
      if (flow != Flow::on) return flow;
    }
    return Flow::on;
  }

  std::string take() { return std::move(out_); }

private:
  Flow run(const Statement& statement) {
    switch (statement.kind) {
    case StatementKind::text: out_ += statement.text; break;
    case StatementKind::output: out_ += to_text(value_of(*statement.expression)); break;
    case StatementKind::set: assign(statement.targets, value_of(*statement.expression)); break;
    case StatementKind::set_block: capture(statement); break;
    case StatementKind::loop: loop(statement); break;
    case StatementKind::leave: return Flow::leave;
    case StatementKind::next: return Flow::next;
    case StatementKind::condition:
      for (const Branch& branch : statement.branches) {
        if (!branch.condition || truth(value_of(*branch.condition))) return run(*branch.body);
      }
      break;
    }
    return Flow::on;
  }

  void capture(const Statement& statement) {
    std::string outside = std::move(out_);
    out_.clear();
    run(*statement.branches[0].body);
    JinjaValue text = std::move(out_);
    out_ = std::move(outside);
    assign(statement.targets, text);
  }

  void assign(const std::vector<std::string>& targets, const JinjaValue& value) {
    if (targets.size() == 1) return assign(targets[0], value);
    if (!value.is_array() || value.size() != targets.size()) {
      throw Failure{ErrorCode::corrupt, "a list does not fit the names it is assigned to"};
    }
    for (std::size_t i = 0; i < targets.size(); ++i)
      assign(targets[i], value[i]);
  }

  void assign(const std::string& target, const JinjaValue& value) {
    const std::size_t dot = target.find('.');
    if (dot == std::string::npos) {
      scopes_.back()[target] = value;
      return;
    }
    JinjaValue* space = find(target.substr(0, dot));
    if (!space || !space->is_object()) throw Failure{ErrorCode::corrupt, "'" + target + "' is in no namespace"};
    (*space)[target.substr(dot + 1)] = value;
  }

  JinjaValue* find(const std::string& name) {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      const auto found = scope->find(name);
      if (found != scope->end()) return &found->second;
    }
    return nullptr;
  }

  JinjaValue iterated(const JinjaValue& value) const {
    if (value.is_array()) return value;
    JinjaValue out = JinjaValue::array();
    if (is_undefined(value)) return out;
    if (value.is_object()) {
      for (const auto& [key, member] : value.items())
        out.push_back(key);
    } else if (value.is_string()) {
      for (std::size_t i = 0; i < length_of(value); ++i)
        out.push_back(item_of(value, i));
    } else {
      throw Failure{ErrorCode::corrupt, std::string("a loop over a ") + value.type_name()};
    }
    return out;
  }

  void loop(const Statement& statement) {
    JinjaValue values = iterated(value_of(*statement.expression));
    if (statement.filter) {
      JinjaValue kept = JinjaValue::array();
      for (const JinjaValue& value : values) {
        scopes_.emplace_back();
        assign(statement.targets, value);
        if (truth(value_of(*statement.filter))) kept.push_back(value);
        scopes_.pop_back();
      }
      values = std::move(kept);
    }
    const std::size_t size = values.size();
    for (std::size_t i = 0; i < size; ++i) {
      scopes_.emplace_back();
      assign(statement.targets, values[i]);
      JinjaValue& state = scopes_.back()["loop"];
      state = {{"index", i + 1}, {"index0", i},          {"first", i == 0},          {"last", i + 1 == size},
               {"length", size}, {"revindex", size - i}, {"revindex0", size - i - 1}};
      if (i > 0) state["previtem"] = values[i - 1];
      if (i + 1 < size) state["nextitem"] = values[i + 1];
      const Flow flow = run(*statement.branches[0].body);
      scopes_.pop_back();
      if (flow == Flow::leave) break;
    }
    if (size == 0 && statement.branches.size() > 1) run(*statement.branches[1].body);
  }

  JinjaValue value_of(const Expression& e) {
    const auto argument = [&](std::size_t i) {
      return e.arguments[i] ? value_of(*e.arguments[i]) : JinjaValue(nullptr);
    };
    switch (e.kind) {
    case ExpressionKind::literal: return e.value;
    case ExpressionKind::name: {
      const JinjaValue* found = find(e.text);
      return found ? *found : undefined();
    }
    case ExpressionKind::list: return JinjaValue(rest(e, 0));
    case ExpressionKind::dictionary: return dictionary(e);
    case ExpressionKind::attribute: return item_of(argument(0), e.text);
    case ExpressionKind::item: return item_of(argument(0), argument(1));
    case ExpressionKind::slice: return slice_of(argument(0), argument(1), argument(2), argument(3));
    case ExpressionKind::call: return call(e);
    case ExpressionKind::filter: return apply_filter(e.text, argument(0), rest(e, 1), named(e));
    case ExpressionKind::test: return test(e);
    case ExpressionKind::unary: return e.text == "not" ? JinjaValue(!truth(argument(0))) : binary("-", 0, argument(0));
    case ExpressionKind::binary: return operation(e);
    case ExpressionKind::choice:
      if (truth(argument(1))) return argument(0);
      return e.arguments[2] ? argument(2) : undefined();
    }
    return undefined();
  }

  std::vector<JinjaValue> rest(const Expression& e, std::size_t from) {
    std::vector<JinjaValue> out;
    for (std::size_t i = from; i < e.arguments.size(); ++i)
      out.push_back(value_of(*e.arguments[i]));
    return out;
  }

  Named named(const Expression& e) {
    Named out;
    for (const auto& [name, value] : e.named)
      out.emplace_back(name, value_of(*value));
    return out;
  }

  JinjaValue dictionary(const Expression& e) {
    JinjaValue out = JinjaValue::object();
    for (std::size_t i = 0; i + 1 < e.arguments.size(); i += 2) {
      out[to_text(value_of(*e.arguments[i]))] = value_of(*e.arguments[i + 1]);
    }
    return out;
  }

  JinjaValue operation(const Expression& e) {
    JinjaValue left = value_of(*e.arguments[0]);
    if (e.text == "and") return truth(left) ? value_of(*e.arguments[1]) : left;
    if (e.text == "or") return truth(left) ? left : value_of(*e.arguments[1]);
    return binary(e.text, left, value_of(*e.arguments[1]));
  }

  JinjaValue test(const Expression& e) {
    const Expression& subject = *e.arguments[0];
    // strftime_now and its like are variables to a template that asks whether they are there.
    const bool function = subject.kind == ExpressionKind::name && !find(subject.text) &&
                          (subject.text == "strftime_now" || subject.text == "raise_exception");
    if (function && (e.text == "defined" || e.text == "undefined")) return e.text == "defined";
    return apply_test(e.text, value_of(subject), rest(e, 1));
  }

  JinjaValue call(const Expression& e) {
    const Expression& callee = *e.arguments[0];
    if (callee.kind == ExpressionKind::name) return call_function(callee.text, rest(e, 1), named(e));
    if (callee.kind == ExpressionKind::attribute) {
      return call_method(callee.text, value_of(*callee.arguments[0]), rest(e, 1));
    }
    throw Failure{ErrorCode::unsupported, "calling the result of an expression is not supported"};
  }

  std::vector<JinjaVariables> scopes_;
  std::string out_;
};

} // namespace

std::string render(const Block& root, JinjaVariables&& variables) {
  Renderer renderer(std::move(variables));
  renderer.run(root);
  return renderer.take();
}

} // namespace jinja

Result<JinjaTemplate> JinjaTemplate::parse(std::string_view source) {
  try {
    std::string storage;
    return JinjaTemplate(jinja::parse(valid_utf8(source, storage)));
  } catch (const jinja::Failure& failure) {
    return make_error(failure.code, failure.message, "", "chat_template");
  }
}

Result<std::string> JinjaTemplate::render(JinjaVariables variables) const {
  try {
    return jinja::render(*root_, std::move(variables));
  } catch (const jinja::Failure& failure) {
    return make_error(failure.code, failure.message, "", "chat_template");
  } catch (const std::exception& error) { // a value of the wrong type
    return make_error(ErrorCode::corrupt, error.what(), "", "chat_template");
  }
}

} // namespace headscope::text
