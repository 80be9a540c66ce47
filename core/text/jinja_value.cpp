// SPDX-License-Identifier: GPL-3.0-or-later
// What Python's values do in a chat template.
#include <algorithm>
#include <cmath>

#include "core/text/jinja_tree.h"
#include "core/text/unicode.h"

namespace headscope::text::jinja {

namespace {

[[noreturn]] void refuse(const std::string& message) { throw Failure{ErrorCode::corrupt, message}; }

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const std::size_t length = first_code_point(text).length;
    out.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return out;
}

// Python's // and % round towards minus infinity.
JinjaValue integer_arithmetic(const std::string& operation, std::int64_t left, std::int64_t right) {
  std::int64_t out = 0;
  bool overflow = false;
  if (operation == "+")
    overflow = __builtin_add_overflow(left, right, &out);
  else if (operation == "-")
    overflow = __builtin_sub_overflow(left, right, &out);
  else if (operation == "*")
    overflow = __builtin_mul_overflow(left, right, &out);
  else {
    if (right == 0) refuse("division by zero");
    if (operation == "/") return static_cast<double>(left) / static_cast<double>(right);
    if (right == -1) return operation == "%" ? JinjaValue(0) : integer_arithmetic("-", 0, left);
    std::int64_t quotient = left / right;
    std::int64_t rest = left % right;
    if (rest != 0 && (rest < 0) != (right < 0)) {
      rest += right;
      --quotient;
    }
    return operation == "%" ? rest : quotient;
  }
  if (overflow) refuse("a number is too large");
  return out;
}

JinjaValue arithmetic(const std::string& operation, const JinjaValue& left, const JinjaValue& right) {
  if (left.is_number_integer() && right.is_number_integer()) {
    return integer_arithmetic(operation, left.get<std::int64_t>(), right.get<std::int64_t>());
  }
  const double a = left.get<double>();
  const double b = right.get<double>();
  if (operation == "+") return a + b;
  if (operation == "-") return a - b;
  if (operation == "*") return a * b;
  if (b == 0) refuse("division by zero");
  if (operation == "/") return a / b;
  return operation == "//" ? std::floor(a / b) : a - b * std::floor(a / b);
}

bool ordered(const std::string& operation, const JinjaValue& left, const JinjaValue& right) {
  const bool comparable = (left.is_number() && right.is_number()) || (left.is_string() && right.is_string());
  if (!comparable) refuse("'" + operation + "' between values that have no order");
  if (operation == "<") return left < right;
  if (operation == ">") return right < left;
  return operation == "<=" ? !(right < left) : !(left < right);
}

} // namespace

JinjaValue undefined() { return JinjaValue(JinjaValue::value_t::discarded); }
bool is_undefined(const JinjaValue& value) { return value.is_discarded(); }

bool truth(const JinjaValue& value) {
  if (value.is_discarded() || value.is_null()) return false;
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value.get<double>() != 0;
  if (value.is_string()) return !value.get_ref<const std::string&>().empty();
  return !value.empty();
}

std::string to_text(const JinjaValue& value) {
  if (value.is_discarded()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "None";
  if (value.is_boolean()) return value.get<bool>() ? "True" : "False";
  if (value.is_number()) return value.dump();
  throw Failure{ErrorCode::unsupported, "printing a list or a dictionary is not supported"};
}

std::size_t length_of(const JinjaValue& value) {
  if (value.is_string()) return characters(value.get_ref<const std::string&>()).size();
  if (value.is_array() || value.is_object()) return value.size();
  if (value.is_discarded()) return 0;
  refuse("the length of a value that has none");
}

bool contains(const JinjaValue& container, const JinjaValue& value) {
  if (container.is_string() && value.is_string()) {
    return container.get_ref<const std::string&>().find(value.get_ref<const std::string&>()) != std::string::npos;
  }
  if (container.is_object()) return value.is_string() && container.contains(value.get_ref<const std::string&>());
  if (container.is_array()) return std::find(container.begin(), container.end(), value) != container.end();
  if (container.is_discarded()) return false;
  refuse("'in' needs a string, a list or a dictionary");
}

JinjaValue binary(const std::string& operation, const JinjaValue& left, const JinjaValue& right) {
  if (operation == "==" || operation == "!=") {
    const bool both_undefined = is_undefined(left) && is_undefined(right);
    const bool mixed = (left.is_boolean() && right.is_number()) || (left.is_number() && right.is_boolean());
    if (mixed) { // Python's True is 1
      const auto number = [](const JinjaValue& v) {
        return v.is_boolean() ? (v.get<bool>() ? 1.0 : 0.0) : v.get<double>();
      };
      return (operation == "==") == (number(left) == number(right));
    }
    const bool equal = both_undefined || (!is_undefined(left) && !is_undefined(right) && left == right);
    return (operation == "==") == equal;
  }
  if (operation == "~") return to_text(left) + to_text(right);
  if (operation == "in") return contains(right, left);
  if (operation[0] == '<' || operation[0] == '>') return ordered(operation, left, right);
  if (operation == "+" && left.is_string() && right.is_string()) {
    return left.get_ref<const std::string&>() + right.get_ref<const std::string&>();
  }
  if (operation == "+" && left.is_array() && right.is_array()) {
    JinjaValue out = left;
    out.insert(out.end(), right.begin(), right.end());
    return out;
  }
  if (left.is_number() && right.is_number()) return arithmetic(operation, left, right);
  refuse("'" + operation + "' between a " + left.type_name() + " and a " + right.type_name());
}

JinjaValue item_of(const JinjaValue& value, const JinjaValue& key) {
  if (value.is_discarded()) refuse("an item of an undefined value");
  if (value.is_object() && key.is_string()) {
    const auto found = value.find(key.get_ref<const std::string&>());
    return found == value.end() ? undefined() : *found;
  }
  if ((value.is_array() || value.is_string()) && key.is_number_integer()) {
    const auto size = static_cast<std::int64_t>(length_of(value));
    std::int64_t index = key.get<std::int64_t>();
    if (index < 0) index += size;
    if (index < 0 || index >= size) return undefined();
    if (value.is_array()) return value[static_cast<std::size_t>(index)];
    return std::string(characters(value.get_ref<const std::string&>())[static_cast<std::size_t>(index)]);
  }
  return undefined();
}

JinjaValue slice_of(const JinjaValue& value, const JinjaValue& start, const JinjaValue& stop, const JinjaValue& step) {
  if (!value.is_array() && !value.is_string()) refuse("a slice of a value that is no list and no string");
  const auto bound = [](const JinjaValue& given, std::int64_t otherwise) {
    if (given.is_null()) return otherwise;
    if (!given.is_number_integer()) refuse("a slice needs integers");
    return given.get<std::int64_t>();
  };
  const std::int64_t by = bound(step, 1);
  if (by == 0) refuse("a slice with step 0");
  const auto size = static_cast<std::int64_t>(length_of(value));
  const auto clamp = [&](const JinjaValue& given, std::int64_t otherwise) {
    if (given.is_null()) return otherwise;
    const std::int64_t at = bound(given, 0);
    const std::int64_t low = by > 0 ? 0 : -1;
    return std::clamp(at < 0 ? std::max<std::int64_t>(at, -size - 1) + size : at, low, by > 0 ? size : size - 1);
  };
  const std::int64_t first = clamp(start, by > 0 ? 0 : size - 1);
  const std::int64_t last = clamp(stop, by > 0 ? size : -1);
  const bool text = value.is_string();
  const auto parts = text ? characters(value.get_ref<const std::string&>()) : std::vector<std::string_view>{};
  JinjaValue list = JinjaValue::array();
  std::string out;
  const std::int64_t stride = std::clamp<std::int64_t>(by, -size - 1, size + 1);
  for (std::int64_t at = first; stride > 0 ? at < last : at > last; at += stride) {
    if (text)
      out += parts[static_cast<std::size_t>(at)];
    else
      list.push_back(value[static_cast<std::size_t>(at)]);
  }
  return text ? JinjaValue(out) : list;
}

} // namespace headscope::text::jinja
