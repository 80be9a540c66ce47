// SPDX-License-Identifier: GPL-3.0-or-later
// Tests and functions of chat templates.
#include <algorithm>
#include <array>
#include <ctime>
#include <optional>
#include <utility>

#include "core/text/jinja/library.h"

namespace headscope::text::jinja {

namespace {

// Applies a test that takes only the value; empty where there is none of that name.
std::optional<bool> plain_test(const std::string& name, const Value& v) {
  if (name == "defined") return !v.is_undefined();
  if (name == "undefined") return v.is_undefined();
  if (name == "none") return v.is_none();
  if (name == "string") return v.is_text();
  if (name == "mapping") return v.is_dict();
  if (name == "iterable" || name == "sequence") return v.is_list() || v.is_dict() || v.is_text() || v.is_undefined();
  if (name == "number") return v.is_number();
  if (name == "integer") return v.is_integer();
  if (name == "float") return v.is_real();
  if (name == "boolean") return v.is_boolean();
  if (name == "true") return v.is_boolean() && v.boolean();
  if (name == "false") return v.is_boolean() && !v.boolean();
  if (name == "callable") return v.is_object();
  if (name == "escaped") return false;
  return std::nullopt;
}

bool in_case(Maker& make, const Value& value, bool up) {
  Arguments none;
  return truth(call_method(make, make.text(to_text(value, make.budget())), up ? "isupper" : "islower", none));
}

bool is_test(std::string_view name) {
  static constexpr std::array<std::string_view, 39> tests = {
      "defined", "undefined", "none",    "string", "mapping",  "iterable", "sequence",   "number",
      "integer", "float",     "boolean", "true",   "false",    "callable", "escaped",    "upper",
      "lower",   "odd",       "even",    "filter", "test",     "equalto",  "eq",         "==",
      "ne",      "!=",        "sameas",  "lt",     "lessthan", "<",        "gt",         "greaterthan",
      ">",       "le",        "<=",      "ge",     ">=",       "in",       "divisibleby"};
  return std::find(tests.begin(), tests.end(), name) != tests.end();
}

Value range(Maker& make, const Arguments& arguments) {
  if (arguments.list.empty() || arguments.list.size() > 3) refuse("range() takes one to three numbers");
  const auto number = [&](std::size_t index) { return whole_argument(arguments, index, "", 0); };
  const std::int64_t start = arguments.list.size() > 1 ? number(0) : 0;
  const std::int64_t stop = arguments.list.size() > 1 ? number(1) : number(0);
  const std::int64_t step = arguments.list.size() > 2 ? number(2) : 1;
  if (step == 0) refuse("range() with step 0");
  Values out;
  for (std::int64_t i = start; step > 0 ? i < stop : i > stop;) {
    out.push_back(Value(i));
    if (out.size() > 100'000) refuse("range() is too long: 100000 numbers are the most"); // as in Jinja's sandbox
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return make.list(std::move(out));
}

Value dictionary(Maker& make, const Arguments& arguments) {
  auto out = make.dict();
  if (!arguments.list.empty()) {
    const Value& from = arguments.list[0];
    if (from.is_dict())
      for (const auto& [key, value] : from.dict().entries)
        out->set(key, value);
    else
      for (const Value& pair : elements_of(make, from)) {
        const Values two = elements_of(make, pair);
        if (two.size() != 2) refuse("dict() needs pairs");
        out->set(two[0], two[1]);
      }
  }
  for (const auto& [key, value] : arguments.named)
    out->set(make.text(key), value);
  return Maker::dict(out);
}

class Cycler : public Object {
public:
  explicit Cycler(Values values) : values_(std::move(values)) {}
  Value attribute(const std::string& name) const override {
    if (name == "current") return values_[at_];
    return Value(Undefined{name});
  }
  Value call_member(const std::string& name, Arguments& arguments) override {
    if (name == "next") return values_[std::exchange(at_, (at_ + 1) % values_.size())];
    if (name != "reset") return Object::call_member(name, arguments);
    at_ = 0;
    return Value(None{});
  }
  std::string description() const override { return "<Cycler>"; }

private:
  Values values_;
  std::size_t at_ = 0;
};

class Joiner : public Object {
public:
  Joiner(Value separator, Value nothing) : separator_(std::move(separator)), nothing_(std::move(nothing)) {}
  Value call(Arguments&) override { return std::exchange(used_, true) ? separator_ : nothing_; }

private:
  Value separator_, nothing_;
  bool used_ = false;
};

Value now(Maker& make, const Arguments& arguments) {
  const std::time_t seconds = std::time(nullptr);
  std::tm local{};
  const std::string& format = text_argument(arguments, 0, "format", "strftime_now");
  make.budget().bytes(format.size() * 64);
  std::string text(format.size() * 64 + 512, '\0'); // no directive writes more
  localtime_r(&seconds, &local);
  text.resize(std::strftime(text.data(), text.size(), format.c_str(), &local));
  return make.text(std::move(text));
}

} // namespace

bool apply_test(Maker& make, const std::string& name, const Value& value, const Arguments& arguments) {
  if (const auto known = plain_test(name, value)) return *known;
  if (name == "upper" || name == "lower") return in_case(make, value, name == "upper");
  if (name == "odd" || name == "even")
    return equal(binary(make, "%", value, Value(std::int64_t{2})), Value(std::int64_t{0})) == (name == "even");
  if (name == "filter" || name == "test")
    return value.is_text() && (name == "filter" ? is_filter(value.text()) : is_test(value.text()));
  const auto argument = [&]() -> const Value& {
    if (arguments.list.empty()) refuse("the test '" + name + "' needs an argument");
    return arguments.list[0];
  };
  if (name == "equalto" || name == "eq" || name == "==") return equal(value, argument());
  if (name == "ne" || name == "!=") return !equal(value, argument());
  if (name == "sameas")
    return std::string_view(value.type_name()) == argument().type_name() && equal(value, argument());
  if (name == "lt" || name == "lessthan" || name == "<") return less(value, argument());
  if (name == "gt" || name == "greaterthan" || name == ">") return less(argument(), value);
  if (name == "le" || name == "<=") return less(value, argument()) || equal(value, argument());
  if (name == "ge" || name == ">=") return less(argument(), value) || equal(value, argument());
  if (name == "in") return contains(argument(), value);
  if (name == "divisibleby") return equal(binary(make, "%", value, argument()), Value(std::int64_t{0}));
  throw Failure{ErrorCode::unsupported, "the test '" + name + "' is not supported"};
}

bool is_function(const std::string& name) {
  static constexpr std::array<std::string_view, 7> names = {"range",        "dict",   "namespace", "raise_exception",
                                                            "strftime_now", "cycler", "joiner"};
  return std::find(names.begin(), names.end(), name) != names.end();
}

Value call_function(Maker& make, const std::string& name, const Arguments& arguments) {
  if (name == "range") return range(make, arguments);
  if (name == "dict") return dictionary(make, arguments);
  if (name == "strftime_now") return now(make, arguments);
  if (name == "cycler") {
    if (arguments.list.empty()) refuse("cycler() needs values");
    return Value(std::shared_ptr<Object>(std::make_shared<Cycler>(arguments.list)));
  }
  if (name == "joiner") {
    const Value* separator = arguments.get(0, "sep");
    return Value(
        std::shared_ptr<Object>(std::make_shared<Joiner>(separator ? *separator : make.text(", "), make.text(""))));
  }
  if (name == "raise_exception")
    throw Failure{ErrorCode::invalid_argument,
                  "the chat template refuses: " +
                      (arguments.list.empty() ? std::string() : to_text(arguments.list[0], make.budget()))};
  throw Failure{ErrorCode::unsupported, "the function '" + name + "' is not supported"};
}

} // namespace headscope::text::jinja
