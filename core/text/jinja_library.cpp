// SPDX-License-Identifier: GPL-3.0-or-later
// Filters, tests, functions and methods of chat templates.
#include <algorithm>
#include <ctime>

#include "core/text/jinja_tree.h"
#include "core/text/normalizer.h"
#include "core/text/unicode.h"

namespace headscope::text::jinja {

namespace {

using Arguments = std::vector<JinjaValue>;

[[noreturn]] void unsupported(const std::string& what, const std::string& name) {
  throw Failure{ErrorCode::unsupported, "the " + what + " '" + name + "' is not supported"};
}
[[noreturn]] void refuse(const std::string& message) { throw Failure{ErrorCode::corrupt, message}; }

const std::string& text_argument(const Arguments& arguments, std::size_t index, const std::string& name) {
  if (index >= arguments.size() || !arguments[index].is_string()) refuse("'" + name + "' needs a string");
  return arguments[index].get_ref<const std::string&>();
}

// Python's strip(): white space, or any of the characters given.
std::string strip(std::string_view text, const JinjaValue* given, bool left, bool right) {
  const auto drops = [&](std::string_view character) {
    if (!given || given->is_null()) {
      const char32_t c = first_code_point(character).value;
      return is_whitespace(c) || (c >= 0x1C && c <= 0x1F);
    }
    return given->get_ref<const std::string&>().find(character) != std::string::npos;
  };
  while (left && !text.empty() && drops(text.substr(0, first_code_point(text).length))) {
    text.remove_prefix(first_code_point(text).length);
  }
  while (right && !text.empty() && drops(text.substr(text.size() - last_code_point(text).length))) {
    text.remove_suffix(last_code_point(text).length);
  }
  return std::string(text);
}

std::string change_case(const std::string& text, bool upper) {
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) unsupported("case change of", "a letter outside ASCII");
    if (upper && c >= 'a' && c <= 'z')
      out.push_back(static_cast<char>(c - 32));
    else if (!upper && c >= 'A' && c <= 'Z')
      out.push_back(static_cast<char>(c + 32));
    else
      out.push_back(c);
  }
  return out;
}

// json.dumps with its default separators; nlohmann writes none of the spaces.
void write_json(const JinjaValue& value, std::string& out) {
  if (value.is_array()) {
    out += '[';
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (i > 0) out += ", ";
      write_json(value[i], out);
    }
    out += ']';
  } else if (value.is_object()) {
    out += '{';
    bool first = true;
    for (const auto& [key, member] : value.items()) {
      if (!first) out += ", ";
      first = false;
      out += JinjaValue(key).dump() + ": ";
      write_json(member, out);
    }
    out += '}';
  } else {
    out += value.dump();
  }
}

JinjaValue to_json(const JinjaValue& value, const Arguments& arguments, const Named& named) {
  if (is_undefined(value)) refuse("'tojson' of an undefined value");
  JinjaValue indent = arguments.empty() ? JinjaValue() : arguments[0];
  for (const auto& [name, given] : named) {
    if (name == "indent")
      indent = given;
    else if (name != "ensure_ascii")
      unsupported("tojson option", name);
  }
  if (indent.is_number_integer())
    return value.dump(static_cast<int>(std::clamp<std::int64_t>(indent.get<std::int64_t>(), 0, 16)));
  std::string out;
  write_json(value, out);
  return out;
}

JinjaValue join(const JinjaValue& value, const std::string& separator) {
  if (!value.is_array()) refuse("'join' needs a list");
  std::string out;
  for (std::size_t i = 0; i < value.size(); ++i)
    out += (i > 0 ? separator : "") + to_text(value[i]);
  return out;
}

JinjaValue items_of(const JinjaValue& value) {
  if (!value.is_object()) refuse("'items' needs a dictionary");
  JinjaValue out = JinjaValue::array();
  for (const auto& [key, member] : value.items())
    out.push_back(JinjaValue::array({key, member}));
  return out;
}

JinjaValue split(const std::string& text, const Arguments& arguments) {
  JinjaValue out = JinjaValue::array();
  std::int64_t limit = -1;
  if (arguments.size() > 1) limit = arguments[1].get<std::int64_t>();
  if (arguments.empty() || arguments[0].is_null()) {
    if (arguments.size() > 1) unsupported("method", "split() with a limit and no separator");
    std::string word;
    for (const char c : text + " ") {
      if (c != ' ' && !(c >= '\t' && c <= '\r'))
        word.push_back(c);
      else if (!word.empty())
        out.push_back(std::exchange(word, {}));
    }
    return out;
  }
  const std::string& separator = text_argument(arguments, 0, "split");
  if (separator.empty()) refuse("split() with an empty separator");
  std::size_t at = 0;
  for (std::size_t found = text.find(separator); found != std::string::npos && limit != 0; --limit) {
    out.push_back(text.substr(at, found - at));
    at = found + separator.size();
    found = text.find(separator, at);
  }
  out.push_back(text.substr(at));
  return out;
}

JinjaValue replaced(const std::string& text, const Arguments& arguments) {
  std::string out = text;
  const std::string& from = text_argument(arguments, 0, "replace");
  if (from.empty() || arguments.size() > 2) unsupported("form of", "replace");
  replace_all(out, from, text_argument(arguments, 1, "replace"));
  return out;
}

JinjaValue default_filter(const JinjaValue& value, const Arguments& arguments, const Named& named) {
  bool any_false = arguments.size() > 1 && truth(arguments[1]);
  for (const auto& [name, given] : named)
    any_false = any_false || (name == "boolean" && truth(given));
  const bool keep = any_false ? truth(value) : !is_undefined(value);
  if (keep) return value;
  return arguments.empty() ? JinjaValue("") : arguments[0];
}

// "a.b" of a value, as the filters' `attribute` names it.
JinjaValue attribute_of(JinjaValue value, const std::string& path) {
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t dot = std::min(path.find('.', at), path.size());
    if (!value.is_object()) return undefined();
    value = item_of(value, path.substr(at, dot - at));
    at = dot + 1;
  }
  return value;
}

const JinjaValue& list_of(const JinjaValue& value, const std::string& filter) {
  static const JinjaValue none = JinjaValue::array();
  if (is_undefined(value)) return none;
  if (!value.is_array()) refuse("'" + filter + "' needs a list");
  return value;
}

// select, reject, selectattr, rejectattr: the elements that pass a test, or that are true.
JinjaValue chosen(const std::string& name, const JinjaValue& value, const Arguments& arguments) {
  const bool by_attribute = name.ends_with("attr");
  const std::size_t at = by_attribute ? 1 : 0; // where the test's name is
  const Arguments rest(arguments.begin() + static_cast<std::ptrdiff_t>(std::min(at + 1, arguments.size())),
                       arguments.end());
  JinjaValue out = JinjaValue::array();
  for (const JinjaValue& element : list_of(value, name)) {
    const JinjaValue subject = by_attribute ? attribute_of(element, text_argument(arguments, 0, name)) : element;
    const bool passes =
        arguments.size() > at ? apply_test(text_argument(arguments, at, name), subject, rest) : truth(subject);
    if (passes == name.starts_with("select")) out.push_back(element);
  }
  return out;
}

// map(attribute="a") or map("filter", arguments ...).
JinjaValue mapped(const JinjaValue& value, const Arguments& arguments, const Named& named) {
  const JinjaValue* attribute = nullptr;
  const JinjaValue* otherwise = nullptr;
  for (const auto& [name, given] : named) {
    if (name == "attribute" && given.is_string())
      attribute = &given;
    else if (name == "default")
      otherwise = &given;
    else
      unsupported("map option", name);
  }
  JinjaValue out = JinjaValue::array();
  for (const JinjaValue& element : list_of(value, "map")) {
    if (!attribute) {
      const Arguments rest(arguments.begin() + (arguments.empty() ? 0 : 1), arguments.end());
      out.push_back(apply_filter(text_argument(arguments, 0, "map"), element, rest, {}));
      continue;
    }
    const JinjaValue found = attribute_of(element, attribute->get_ref<const std::string&>());
    out.push_back(is_undefined(found) && otherwise ? *otherwise : found);
  }
  return out;
}

// The characters of a text, the keys of a dictionary.
JinjaValue list_filter(const JinjaValue& value) {
  if (value.is_array()) return value;
  JinjaValue out = JinjaValue::array();
  if (value.is_object()) {
    for (const auto& [key, member] : value.items())
      out.push_back(key);
  } else if (value.is_string()) {
    for (std::size_t i = 0; i < length_of(value); ++i)
      out.push_back(item_of(value, i));
  } else if (!is_undefined(value)) {
    refuse("'list' needs a list, a text or a dictionary");
  }
  return out;
}

JinjaValue range(const Arguments& arguments) {
  if (arguments.empty() || arguments.size() > 3) refuse("range() takes one to three numbers");
  const auto number = [&](std::size_t index) { return arguments[index].get<std::int64_t>(); };
  const std::int64_t start = arguments.size() > 1 ? number(0) : 0;
  const std::int64_t stop = arguments.size() > 1 ? number(1) : number(0);
  const std::int64_t step = arguments.size() > 2 ? number(2) : 1;
  if (step == 0) refuse("range() with step 0");
  JinjaValue out = JinjaValue::array();
  for (std::int64_t i = start; step > 0 ? i < stop : i > stop; i += step) {
    out.push_back(i);
    if (out.size() > 100000) refuse("range() is too long"); // Jinja's sandbox has the same limit
  }
  return out;
}

} // namespace

JinjaValue apply_filter(const std::string& name, const JinjaValue& value, const Arguments& arguments,
                        const Named& named) {
  if (name == "trim") return strip(to_text(value), arguments.empty() ? nullptr : &arguments[0], true, true);
  if (name == "upper" || name == "lower") return change_case(to_text(value), name == "upper");
  if (name == "string" || name == "safe") return to_text(value);
  if (name == "length" || name == "count") return length_of(value);
  if (name == "tojson") return to_json(value, arguments, named);
  if (name == "default" || name == "d") return default_filter(value, arguments, named);
  if (name == "join") return join(value, arguments.empty() ? "" : to_text(arguments[0]));
  if (name == "items") return items_of(value);
  if (name == "replace") return replaced(to_text(value), arguments);
  if (name == "first") return item_of(value, 0);
  if (name == "last") return item_of(value, -1);
  if (name == "list") return list_filter(value);
  if (name == "select" || name == "reject" || name == "selectattr" || name == "rejectattr")
    return chosen(name, value, arguments);
  if (name == "map") return mapped(value, arguments, named);
  if (name == "reverse") return slice_of(value, nullptr, nullptr, -1);
  unsupported("filter", name);
}

bool apply_test(const std::string& name, const JinjaValue& value, const Arguments& arguments) {
  const auto argument = [&]() -> const JinjaValue& {
    if (arguments.empty()) refuse("the test '" + name + "' needs an argument");
    return arguments[0];
  };
  if (name == "defined") return !is_undefined(value);
  if (name == "undefined") return is_undefined(value);
  if (name == "none") return value.is_null();
  if (name == "string") return value.is_string();
  if (name == "mapping") return value.is_object();
  if (name == "iterable" || name == "sequence")
    return value.is_array() || value.is_object() || value.is_string() || is_undefined(value);
  if (name == "number") return value.is_number() || value.is_boolean();
  if (name == "integer") return value.is_number_integer();
  if (name == "float") return value.is_number_float();
  if (name == "boolean") return value.is_boolean();
  if (name == "true") return value.is_boolean() && value.get<bool>();
  if (name == "false") return value.is_boolean() && !value.get<bool>();
  if (name == "equalto" || name == "eq" || name == "==") return truth(binary("==", value, argument()));
  if (name == "ne" || name == "!=") return !truth(binary("==", value, argument()));
  if (name == "lt" || name == "lessthan" || name == "<") return truth(binary("<", value, argument()));
  if (name == "gt" || name == "greaterthan" || name == ">") return truth(binary(">", value, argument()));
  if (name == "le" || name == "<=") return truth(binary("<=", value, argument()));
  if (name == "ge" || name == ">=") return truth(binary(">=", value, argument()));
  if (name == "in") return contains(argument(), value);
  if (name == "odd" || name == "even") return (binary("%", value, 2) == JinjaValue(0)) == (name == "even");
  if (name == "divisibleby") return binary("%", value, argument()) == JinjaValue(0);
  unsupported("test", name);
}

JinjaValue call_function(const std::string& name, const Arguments& arguments, const Named& named) {
  if (name == "raise_exception") {
    throw Failure{ErrorCode::invalid_argument,
                  "the chat template refuses: " + (arguments.empty() ? std::string() : to_text(arguments[0]))};
  }
  if (name == "namespace" || name == "dict") {
    JinjaValue out = JinjaValue::object();
    for (const auto& [key, value] : named)
      out[key] = value;
    return out;
  }
  if (name == "range") return range(arguments);
  if (name == "strftime_now") {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    char text[256] = {};
    localtime_r(&now, &local);
    const std::size_t size = std::strftime(text, sizeof(text), text_argument(arguments, 0, name).c_str(), &local);
    return std::string(text, size);
  }
  unsupported("function", name);
}

JinjaValue call_method(const std::string& name, const JinjaValue& value, const Arguments& arguments) {
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (name == "strip" || name == "lstrip" || name == "rstrip") {
      if (!arguments.empty() && !arguments[0].is_null()) text_argument(arguments, 0, name);
      return strip(text, arguments.empty() ? nullptr : &arguments[0], name != "rstrip", name != "lstrip");
    }
    if (name == "split") return split(text, arguments);
    if (name == "startswith") return text.starts_with(text_argument(arguments, 0, name));
    if (name == "endswith") return text.ends_with(text_argument(arguments, 0, name));
    if (name == "upper" || name == "lower") return change_case(text, name == "upper");
    if (name == "replace") return replaced(text, arguments);
    if (name == "join" && !arguments.empty()) return join(arguments[0], text);
  }
  if (value.is_object()) {
    if (name == "items") return items_of(value);
    if (name == "keys" || name == "values") {
      JinjaValue out = JinjaValue::array();
      for (const auto& [key, member] : value.items())
        out.push_back(name == "keys" ? JinjaValue(key) : member);
      return out;
    }
    if (name == "get") {
      const JinjaValue found = item_of(value, text_argument(arguments, 0, name));
      if (!is_undefined(found)) return found;
      return arguments.size() > 1 ? arguments[1] : JinjaValue(nullptr);
    }
  }
  if (is_undefined(value)) refuse("the method '" + name + "' of an undefined value");
  unsupported("method", name);
}

} // namespace headscope::text::jinja
