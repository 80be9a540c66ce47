// SPDX-License-Identifier: GPL-3.0-or-later
// Renders the syntax tree of a chat template.
#include <algorithm>
#include <exception>
#include <map>

#include "core/text/jinja/library.h"
#include "core/text/jinja/tree.h"
#include "core/text/unicode.h"

namespace headscope::text {

namespace jinja {

namespace {

enum class Flow { on, leave, next };

// The names of a block; others are looked up in the enclosing block.
struct Scope {
  std::map<std::string, Value> names;
  std::shared_ptr<Scope> parent;
};
using ScopePtr = std::shared_ptr<Scope>;

class Renderer;

class Macro : public Object {
public:
  Macro(Renderer& renderer, const Statement& statement, ScopePtr around)
      : renderer_(renderer), statement_(statement), around_(std::move(around)) {}
  Value call(Arguments& arguments) override;
  Value attribute(const std::string& name) const override;
  std::string description() const override { return "<Macro '" + statement_.text + "'>"; }
  void forget() { around_.reset(); }

private:
  Renderer& renderer_;
  const Statement& statement_;
  ScopePtr around_;
};

// A function or method that is named but not called, as in "strftime_now is defined".
class Function : public Object {
public:
  Function(Maker& make, std::string name, std::optional<Value> owner)
      : make_(make), name_(std::move(name)), owner_(std::move(owner)) {}
  Value call(Arguments& arguments) override {
    return owner_ ? call_method(make_, *owner_, name_, arguments) : call_function(make_, name_, arguments);
  }
  std::string description() const override { return "<function " + name_ + ">"; }

private:
  Maker& make_;
  std::string name_;
  std::optional<Value> owner_;
};

// The variable "loop".
class LoopState : public Object {
public:
  LoopState(Renderer& renderer, const Statement& statement, const Values& values, std::int64_t depth, ScopePtr around)
      : renderer_(renderer), statement_(statement), values_(values), depth_(depth), around_(std::move(around)) {}
  Value attribute(const std::string& name) const override;
  Value call(Arguments& arguments) override;
  Value call_member(const std::string& name, Arguments& arguments) override;
  std::string description() const override { return "<LoopContext>"; }
  void at(std::size_t index) { index_ = index; }

private:
  Renderer& renderer_;
  const Statement& statement_;
  const Values values_;
  std::size_t index_ = 0;
  std::int64_t depth_ = 0;
  std::optional<Value> changed_;
  ScopePtr around_;
};

class Renderer {
public:
  explicit Renderer(JinjaVariables&& variables) : make_(budget_), outer_(Budget::current()) {
    Budget::current() = &budget_;
    scope_ = std::make_shared<Scope>();
    for (const auto& [name, value] : variables)
      scope_->names[name] = make_.from_json(value);
  }
  ~Renderer() { // what refers to itself in a circle
    for (const auto& macro : macros_)
      macro->forget();
    for (const auto& space : namespaces_)
      space->clear();
    scope_->names.clear();
    Budget::current() = outer_;
  }
  Renderer(const Renderer&) = delete;
  Renderer& operator=(const Renderer&) = delete;

  Flow run(const Block& block) {
    const Deep deep(*this);
    for (const Statement& statement : block.statements) {
      budget_.step();
      const Flow flow = run(statement);
      if (flow != Flow::on) return flow;
    }
    return Flow::on;
  }

  std::string take() { return std::move(out_); }
  Maker& maker() { return make_; }

  // Renders a macro's body with its arguments.
  Value call_macro(const Statement& macro, const ScopePtr& around, Arguments& arguments) {
    const Scoped scoped(*this, around);
    const std::size_t count = macro.parameters.size();
    std::vector<std::string> left;
    for (std::size_t i = 0; i < count; ++i) {
      const Parameter& parameter = macro.parameters[i];
      const Value* given = arguments.get(i, parameter.name);
      if (given)
        scope_->names[parameter.name] = *given;
      else
        scope_->names[parameter.name] =
            parameter.otherwise ? value_of(*parameter.otherwise) : Value(Undefined{parameter.name});
    }
    bind_rest(macro, arguments);
    return captured([&] { run(*macro.branches[0].body); });
  }

  Value loop_text(const Statement& statement, const Value& values, std::int64_t depth, const ScopePtr& around) {
    const Scoped scoped(*this, around);
    return captured([&] { go_over(statement, elements_of(make_, values), depth); });
  }

private:
  // Bounds the recursion over statements, expressions and macros together.
  struct Deep {
    explicit Deep(Renderer& renderer) : renderer_(renderer) {
      if (++renderer_.depth_ > 4 * limits::nesting)
        refuse("macros, statements and expressions lie more than " + std::to_string(4 * limits::nesting) +
               " deep inside one another");
    }
    ~Deep() { --renderer_.depth_; }
    Deep(const Deep&) = delete;
    Deep& operator=(const Deep&) = delete;
    Renderer& renderer_;
  };
  // Opens a new scope inside `around` for its lifetime.
  struct Scoped {
    Scoped(Renderer& renderer, ScopePtr around) : renderer_(renderer), before_(renderer.scope_) {
      renderer_.scope_ = std::make_shared<Scope>();
      renderer_.scope_->parent = std::move(around);
    }
    ~Scoped() { renderer_.scope_ = before_; }
    Scoped(const Scoped&) = delete;
    Scoped& operator=(const Scoped&) = delete;
    Renderer& renderer_;
    ScopePtr before_;
  };

  void emit(const std::string& text) {
    budget_.bytes(out_.size() + text.size() > limits::template_bytes ? out_.size() + text.size() : text.size());
    budget_.hold_bytes(text.size());
    out_ += text;
  }

  template <typename Fill> Value captured(Fill fill) {
    std::string outside = std::exchange(out_, {});
    fill();
    std::string text = std::exchange(out_, std::move(outside));
    budget_.release(text.size(), 0);
    return make_.text(std::move(text));
  }

  // Binds arguments beyond the parameters to varargs and kwargs where the body uses them; "caller" comes from a call
  // block.
  void bind_rest(const Statement& macro, const Arguments& arguments) {
    const auto is_parameter = [&](const std::string& name) {
      return std::any_of(macro.parameters.begin(), macro.parameters.end(),
                         [&](const Parameter& parameter) { return parameter.name == name; });
    };
    const auto first = std::min(arguments.list.size(), macro.parameters.size());
    scope_->names["varargs"] =
        make_.list(Values(arguments.list.begin() + static_cast<std::ptrdiff_t>(first), arguments.list.end()), true);
    const auto named = make_.dict();
    for (const auto& [name, value] : arguments.named) {
      if (is_parameter(name)) continue;
      if (name == "caller")
        scope_->names[name] = value;
      else
        named->set(make_.text(name), value);
    }
    scope_->names["kwargs"] = Maker::dict(named);
  }

  Flow run(const Statement& statement) {
    switch (statement.kind) {
    case StatementKind::text: emit(statement.text); break;
    case StatementKind::output: emit(to_text(value_of(*statement.expression), budget_)); break;
    case StatementKind::set: assign(statement.targets[0], value_of(*statement.expression)); break;
    case StatementKind::set_block:
      return run_body(statement, [&](const Value& text) { assign(statement.targets[0], text); });
    case StatementKind::filter_block:
      return run_body(statement, [&](const Value& text) { emit(to_text(text, budget_)); });
    case StatementKind::loop: return go_over(statement, elements_of(make_, value_of(*statement.expression)), 1);
    case StatementKind::leave: return Flow::leave;
    case StatementKind::next: return Flow::next;
    case StatementKind::macro: scope_->names[statement.text] = macro_of(statement); break;
    case StatementKind::call_block: emit(to_text(call_with_block(statement), budget_)); break;
    case StatementKind::scope: return run_scope(statement);
    case StatementKind::condition:
      for (const Branch& branch : statement.branches)
        if (!branch.condition || truth(value_of(*branch.condition))) return run(*branch.body);
      break;
    }
    return Flow::on;
  }

  Flow run_scope(const Statement& statement) {
    Values values;
    for (const auto& expression : statement.values)
      values.push_back(value_of(*expression));
    const Scoped scoped(*this, scope_);
    for (std::size_t i = 0; i < values.size(); ++i)
      assign(statement.targets[i], values[i]);
    return run(*statement.branches[0].body);
  }

  // Hands over the text of a block after applying its filters. A break or continue inside it leaves the loop around it,
  // and the text is dropped.
  template <typename Take> Flow run_body(const Statement& statement, Take take) {
    Flow flow = Flow::on;
    Value text = captured([&] {
      const Scoped scoped(*this, scope_);
      flow = run(*statement.branches[0].body);
    });
    if (flow != Flow::on) return flow;
    if (!statement.expression) {
      take(text);
      return flow;
    }
    std::swap(body_, text);
    const Value out = value_of(*statement.expression);
    std::swap(body_, text);
    take(out);
    return flow;
  }

  Value macro_of(const Statement& statement) {
    macros_.push_back(std::make_shared<Macro>(*this, statement, scope_));
    budget_.hold_elements(16);
    return Value(std::shared_ptr<Object>(macros_.back()));
  }

  Value call_with_block(const Statement& statement) {
    Arguments arguments = arguments_of(*statement.expression);
    arguments.named.emplace_back("caller", macro_of(statement));
    return call(*statement.expression, arguments);
  }

  void assign(const Target& target, const Value& value) {
    if (!target.parts.empty()) {
      const Values values = elements_of(make_, value);
      if (values.size() != target.parts.size())
        refuse(std::to_string(values.size()) + " values for " + std::to_string(target.parts.size()) + " names");
      for (std::size_t i = 0; i < values.size(); ++i)
        assign(target.parts[i], values[i]);
      return;
    }
    if (target.member.empty()) {
      scope_->names[target.name] = value;
      return;
    }
    const Value* space = find(target.name);
    auto* known = space && space->is_object() ? dynamic_cast<Namespace*>(&space->object()) : nullptr;
    if (!known) refuse("'" + target.name + "' is no namespace, so its '" + target.member + "' cannot be set");
    known->set(target.member, value);
  }

  const Value* find(const std::string& name) const {
    for (const Scope* scope = scope_.get(); scope; scope = scope->parent.get()) {
      const auto found = scope->names.find(name);
      if (found != scope->names.end()) return &found->second;
    }
    return nullptr;
  }

  // A break or continue in a loop's "else" applies to the enclosing loop.
  Flow go_over(const Statement& statement, Values values, std::int64_t depth) {
    if (statement.filter) {
      Values kept;
      for (Value& value : values) {
        const Scoped scoped(*this, scope_);
        assign(statement.targets[0], value);
        if (truth(value_of(*statement.filter))) kept.push_back(std::move(value));
      }
      values = std::move(kept);
    }
    const auto state = std::make_shared<LoopState>(*this, statement, values, depth, scope_);
    for (std::size_t i = 0; i < values.size(); ++i) {
      budget_.step();
      const Scoped scoped(*this, scope_);
      state->at(i);
      scope_->names["loop"] = Value(std::shared_ptr<Object>(state));
      assign(statement.targets[0], values[i]);
      if (run(*statement.branches[0].body) == Flow::leave) break;
    }
    if (!values.empty() || statement.branches.size() < 2) return Flow::on;
    const Scoped scoped(*this, scope_);
    return run(*statement.branches[1].body);
  }

  Value value_of(const Expression& e) {
    const Deep deep(*this);
    budget_.step();
    const auto argument = [&](std::size_t i) { return e.arguments[i] ? value_of(*e.arguments[i]) : Value(None{}); };
    switch (e.kind) {
    case ExpressionKind::literal: return e.value;
    case ExpressionKind::name: return named(e.text);
    case ExpressionKind::body: return body_;
    case ExpressionKind::list: return make_.list(values_of(e, 0));
    case ExpressionKind::tuple: return make_.list(values_of(e, 0), true);
    case ExpressionKind::dictionary: return dictionary(e);
    case ExpressionKind::attribute: return attribute(value_of(*e.arguments[0]), e.text);
    case ExpressionKind::item: return item(value_of(*e.arguments[0]), value_of(*e.arguments[1]));
    case ExpressionKind::slice: return slice_of(make_, argument(0), argument(1), argument(2), argument(3));
    case ExpressionKind::call: {
      Arguments arguments = arguments_of(e);
      return call(e, arguments);
    }
    case ExpressionKind::filter: return apply_filter(make_, e.text, value_of(*e.arguments[0]), arguments_of(e));
    case ExpressionKind::test: return Value(apply_test(make_, e.text, value_of(*e.arguments[0]), arguments_of(e)));
    case ExpressionKind::unary:
      return e.text == "not" ? Value(!truth(value_of(*e.arguments[0]))) : negative(value_of(*e.arguments[0]));
    case ExpressionKind::binary: return operation(e);
    case ExpressionKind::comparison: return Value(compared(e));
    case ExpressionKind::choice:
      if (truth(value_of(*e.arguments[1]))) return value_of(*e.arguments[0]);
      return e.arguments[2] ? value_of(*e.arguments[2]) : Value(Undefined{"the inline if without else"});
    }
    return {};
  }

  Value named(const std::string& name) {
    if (const Value* found = find(name)) return *found;
    if (!is_function(name)) return Value(Undefined{name});
    return Value(std::shared_ptr<Object>(std::make_shared<Function>(make_, name, std::nullopt)));
  }

  Value attribute(const Value& value, const std::string& name) {
    if (value.is_object()) return value.object().attribute(name);
    if (has_method(value, name)) return Value(std::shared_ptr<Object>(std::make_shared<Function>(make_, name, value)));
    return item_of(make_, value, make_.text(name));
  }

  Value item(const Value& value, const Value& key) {
    if (value.is_object() && key.is_text()) return value.object().attribute(key.text());
    Value out = item_of(make_, value, key);
    if (out.is_undefined() && key.is_text() && has_method(value, key.text()))
      return Value(std::shared_ptr<Object>(std::make_shared<Function>(make_, key.text(), value)));
    return out;
  }

  Values values_of(const Expression& e, std::size_t from) {
    Values out;
    for (std::size_t i = from; i < e.arguments.size(); ++i)
      out.push_back(value_of(*e.arguments[i]));
    return out;
  }

  Arguments arguments_of(const Expression& e) {
    Arguments out;
    out.list = values_of(e, 1);
    for (const auto& [name, value] : e.named)
      out.named.emplace_back(name, value_of(*value));
    return out;
  }

  Value dictionary(const Expression& e) {
    const auto out = make_.dict();
    for (std::size_t i = 0; i + 1 < e.arguments.size(); i += 2) {
      const Value key = value_of(*e.arguments[i]);
      out->set(key, value_of(*e.arguments[i + 1]));
    }
    return Maker::dict(out);
  }

  Value operation(const Expression& e) {
    Value left = value_of(*e.arguments[0]);
    if (e.text == "and") return truth(left) ? value_of(*e.arguments[1]) : left;
    if (e.text == "or") return truth(left) ? left : value_of(*e.arguments[1]);
    return binary(make_, e.text, left, value_of(*e.arguments[1]));
  }

  static bool holds(const std::string& operation, const Value& left, const Value& right) {
    if (operation == "==") return equal(left, right);
    if (operation == "!=") return !equal(left, right);
    if (operation == "in") return contains(right, left);
    if (operation == "not in") return !contains(right, left);
    if (operation == "<") return less(left, right);
    if (operation == ">") return less(right, left);
    return operation == "<=" ? less(left, right) || equal(left, right) : less(right, left) || equal(left, right);
  }

  bool compared(const Expression& e) {
    Value left = value_of(*e.arguments[0]);
    for (std::size_t i = 0; i < e.operators.size(); ++i) {
      Value right = value_of(*e.arguments[i + 1]);
      if (!holds(e.operators[i], left, right)) return false;
      left = std::move(right);
    }
    return true;
  }

  Value make_namespace(const Arguments& arguments) {
    const auto made = std::make_shared<Namespace>(budget_);
    const Value from = call_function(make_, "dict", arguments);
    for (const auto& [key, value] : from.dict().entries)
      made->set(to_text(key, budget_), value);
    namespaces_.push_back(made);
    budget_.hold_elements(16);
    return Value(std::shared_ptr<Object>(made));
  }

  Value call(const Expression& e, Arguments& arguments) {
    const Expression& callee = *e.arguments[0];
    if (callee.kind == ExpressionKind::name) {
      const Value* found = find(callee.text);
      if (!found && callee.text == "namespace") return make_namespace(arguments);
      if (!found) return call_function(make_, callee.text, arguments);
      return call_value(*found, callee.text, arguments);
    }
    if (callee.kind != ExpressionKind::attribute) return call_value(value_of(callee), "it", arguments);
    const Value owner = value_of(*callee.arguments[0]);
    if (owner.is_object()) return owner.object().call_member(callee.text, arguments);
    if (has_method(owner, callee.text)) return call_method(make_, owner, callee.text, arguments);
    const Value member = item_of(make_, owner, make_.text(callee.text));
    if (member.is_undefined())
      throw Failure{ErrorCode::unsupported, "the method '" + callee.text + "' of a value of the type '" +
                                                owner.type_name() + "' is not supported"};
    return call_value(member, callee.text, arguments);
  }

  static Value call_value(const Value& value, const std::string& name, Arguments& arguments) {
    const Value held = value; // a name may be set anew meanwhile
    if (held.is_object()) return held.object().call(arguments);
    if (held.is_undefined()) refuse("'" + held.missing() + "' is undefined");
    refuse("'" + name + "' is a value of the type '" + held.type_name() + "', which cannot be called");
  }

  Budget budget_; // before all values
  Maker make_;
  Budget* outer_;
  std::vector<std::shared_ptr<Macro>> macros_;
  std::vector<std::shared_ptr<Namespace>> namespaces_;
  ScopePtr scope_;
  Value body_;
  std::string out_;
  int depth_ = 0;
};

Value Macro::call(Arguments& arguments) { return renderer_.call_macro(statement_, around_, arguments); }

Value Macro::attribute(const std::string& name) const {
  if (name == "name") return renderer_.maker().text(statement_.text);
  return Value(Undefined{name});
}

Value LoopState::attribute(const std::string& name) const {
  const auto whole = [](std::size_t value) { return Value(static_cast<std::int64_t>(value)); };
  const std::size_t size = values_.size();
  if (name == "index") return whole(index_ + 1);
  if (name == "index0") return whole(index_);
  if (name == "first") return Value(index_ == 0);
  if (name == "last") return Value(index_ + 1 == size);
  if (name == "length") return whole(size);
  if (name == "revindex") return whole(size - index_);
  if (name == "revindex0") return whole(size - index_ - 1);
  if (name == "depth") return Value(depth_);
  if (name == "depth0") return Value(depth_ - 1);
  if (name == "previtem" && index_ > 0) return values_[index_ - 1];
  if (name == "nextitem" && index_ + 1 < size) return values_[index_ + 1];
  return Value(Undefined{"loop." + name});
}

Value LoopState::call(Arguments& arguments) {
  if (!statement_.recursive) refuse("'loop' of a loop that is not recursive cannot be called");
  if (arguments.list.size() != 1) refuse("'loop' takes one list");
  return renderer_.loop_text(statement_, arguments.list[0], depth_ + 1, around_);
}

Value LoopState::call_member(const std::string& name, Arguments& arguments) {
  if (name == "cycle") {
    if (arguments.list.empty()) refuse("loop.cycle() needs values");
    return arguments.list[index_ % arguments.list.size()];
  }
  if (name != "changed") return Object::call_member(name, arguments);
  const Value now = renderer_.maker().list(arguments.list, true);
  const bool same = changed_ && equal(*changed_, now);
  changed_ = now;
  return Value(!same);
}

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
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::out_of_memory, "no memory to render it", "", "chat_template");
  } catch (const std::exception& error) { // a value of the wrong type
    return make_error(ErrorCode::corrupt, error.what(), "", "chat_template");
  }
}

} // namespace headscope::text
