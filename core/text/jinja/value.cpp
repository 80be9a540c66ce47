// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/jinja/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <utf8proc.h>

#include "core/text/jinja/format.h"
#include "core/text/unicode.h"

namespace headscope::text::jinja {

void refuse(const std::string& message) { throw Failure{ErrorCode::corrupt, message}; }

void Budget::too_much(const char* what, std::size_t most) {
  throw Failure{ErrorCode::corrupt, "rendering it takes more than " + std::to_string(most) + " " + what +
                                        ", which no chat template needs; the template is broken or hostile"};
}

Text::Text(std::string value, Budget* owner) : text(std::move(value)) {
  if (owner) owner->hold_bytes(text.size());
  budget = owner; // only when it is held
}
Text::~Text() {
  if (budget) budget->release(text.size(), 0);
}

namespace {

// Queues values to be destroyed one by one, rather than recursively.
void discard(Values&& values) {
  thread_local Values waiting;
  thread_local bool busy = false;
  for (Value& value : values)
    if (value.is_list() || value.is_dict()) waiting.push_back(std::move(value));
  values.clear();
  if (busy) return;
  busy = true;
  while (!waiting.empty()) {
    const Value last = std::move(waiting.back());
    waiting.pop_back();
  }
  busy = false;
}

void check_depth(int depth) {
  if (Budget* budget = Budget::current()) budget->step();
  if (depth > limits::nesting)
    refuse("values lie more than " + std::to_string(limits::nesting) + " deep inside one another");
}

// Makes equal texts for equal keys: 1, 1.0 and True are one key in Python.
std::string key_text(const Value& key, int depth = 0) {
  check_depth(depth);
  count_through(key);
  if (key.is_text()) return "s" + key.text();
  if (key.is_none()) return "n";
  if (key.is_whole()) return "i" + std::to_string(key.whole());
  if (key.is_real()) {
    const double value = key.real();
    if (value == std::floor(value) && std::abs(value) < 9e15)
      return "i" + std::to_string(static_cast<std::int64_t>(value));
    return "f" + number_text(value);
  }
  if (key.is_list() && key.list().tuple) {
    std::string out = "t";
    for (const Value& item : key.list().items)
      out += key_text(item, depth + 1) + '\0';
    if (Budget* budget = Budget::current()) budget->bytes(out.size());
    return out;
  }
  refuse(std::string("unhashable type: '") + key.type_name() + "'");
}

} // namespace

List::List(Values values, bool is_tuple, Budget* owner) : items(std::move(values)), tuple(is_tuple) {
  if (owner) owner->hold_elements(items.size());
  budget = owner;
}
List::~List() {
  if (budget) budget->release(0, items.size());
  discard(std::move(items));
}

Dict::~Dict() {
  if (budget) budget->release(0, entries.size());
  Values values;
  for (auto& [key, value] : entries)
    values.push_back(std::move(value));
  discard(std::move(values));
}
const Value* Dict::find(const Value& key) const {
  const auto found = places.find(key_text(key));
  return found == places.end() ? nullptr : &entries[found->second].second;
}
void Dict::set(const Value& key, Value value) {
  const auto [place, fresh] = places.try_emplace(key_text(key), entries.size());
  if (!fresh) {
    entries[place->second].second = std::move(value);
    return;
  }
  if (budget) budget->hold_elements(1);
  entries.emplace_back(key, std::move(value));
}

const char* Value::type_name() const {
  static constexpr const char* names[] = {"undefined", "NoneType", "bool", "int",   "float",
                                          "str",       "list",     "dict", "object"};
  if (is_list() && list().tuple) return "tuple";
  return names[state_.index()];
}

const Value* Arguments::get(std::size_t place, std::string_view name) const {
  if (place < list.size()) return &list[place];
  for (const auto& [key, value] : named)
    if (key == name) return &value;
  return nullptr;
}

void Arguments::check(const char* callee, std::size_t most, std::initializer_list<std::string_view> names) const {
  if (list.size() > most) refuse(std::string("'") + callee + "' takes " + std::to_string(most) + " arguments at most");
  for (const auto& [key, value] : named)
    if (std::find(names.begin(), names.end(), key) == names.end())
      refuse(std::string("'") + callee + "' has no argument '" + key + "'");
}

Value Object::call(Arguments&) { refuse(description() + " cannot be called"); }

Value Object::call_member(const std::string& name, Arguments& arguments) {
  const Value member = attribute(name);
  if (member.is_object()) return member.object().call(arguments);
  if (member.is_undefined())
    throw Failure{ErrorCode::unsupported, "the method '" + name + "' of " + description() + " is not supported"};
  refuse("'" + name + "' of " + description() + " cannot be called");
}

Value Namespace::attribute(const std::string& name) const {
  const auto found = members_.find(name);
  return found == members_.end() ? Value(Undefined{name}) : found->second;
}
void Namespace::set(const std::string& name, Value value) {
  budget_.step();
  if (members_.size() > 100'000 && !members_.contains(name)) refuse("a namespace has too many members");
  members_[name] = std::move(value);
}

Value Maker::from_json(const JinjaValue& json, int depth) {
  check_depth(depth);
  if (json.is_discarded()) return {};
  if (json.is_null()) return Value(None{});
  if (json.is_boolean()) return Value(json.get<bool>());
  if (json.is_number_integer()) return Value(json.get<std::int64_t>());
  if (json.is_number()) return Value(json.get<double>());
  if (json.is_string()) return text(json.get<std::string>());
  if (json.is_array()) {
    Values items;
    for (const JinjaValue& item : json)
      items.push_back(from_json(item, depth + 1));
    return list(std::move(items));
  }
  const auto made = dict();
  for (const auto& [key, value] : json.items())
    made->set(text(key), from_json(value, depth + 1));
  return dict(made);
}

namespace {
void count_steps(std::size_t count) {
  if (Budget* budget = Budget::current()) budget->step(static_cast<std::int64_t>(count));
}
} // namespace

void count_through(const Value& value) {
  if (value.is_text())
    count_steps(value.text().size() / 16);
  else if (value.is_list())
    count_steps(value.list().items.size() / 8);
  else if (value.is_dict())
    count_steps(value.dict().entries.size() / 8);
}

std::size_t find_text(std::string_view text, std::string_view wanted, std::size_t from) {
  if (from > text.size()) return std::string_view::npos;
  const void* found = memmem(text.data() + from, text.size() - from, wanted.data(), wanted.size());
  return found ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) : std::string_view::npos;
}

bool truth(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (value.is_number()) return value.real() != 0;
  if (value.is_text()) return !value.text().empty();
  if (value.is_list()) return !value.list().items.empty();
  if (value.is_dict()) return !value.dict().entries.empty();
  return true;
}

// Writes the shortest digits that read back as the same number, with an exponent beyond 16 digits and below 1e-4.
std::string number_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto scientific = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  std::string text(buffer, scientific.ptr);
  const std::size_t e = text.find('e');
  const int exponent = std::stoi(text.substr(e + 1));
  if (exponent < -4 || exponent >= 16) return text;
  const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  text.assign(buffer, fixed.ptr);
  return text.find('.') == std::string::npos ? text + ".0" : text;
}

namespace {

bool is_printable(char32_t c) {
  if (c == ' ') return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
  case UTF8PROC_CATEGORY_CN:
  case UTF8PROC_CATEGORY_CC:
  case UTF8PROC_CATEGORY_CF:
  case UTF8PROC_CATEGORY_CS:
  case UTF8PROC_CATEGORY_CO:
  case UTF8PROC_CATEGORY_ZS:
  case UTF8PROC_CATEGORY_ZL:
  case UTF8PROC_CATEGORY_ZP: return false;
  default: return true;
  }
}

std::string python_quoted(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  for (const std::string_view character : characters(text)) {
    const char32_t c = first_code_point(character).value;
    char code[16] = {};
    if (c == static_cast<char32_t>(quote) || c == '\\')
      (out += '\\') += static_cast<char>(c);
    else if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\t')
      out += "\\t";
    else if (is_printable(c))
      out += character;
    else {
      std::snprintf(code, sizeof code,
                    c < 0x100     ? "\\x%02x"
                    : c < 0x10000 ? "\\u%04x"
                                  : "\\U%08x",
                    static_cast<unsigned>(c));
      out += code;
    }
  }
  return out + quote;
}

class Repr {
public:
  explicit Repr(Budget& budget) : budget_(budget) {}
  void add(const Value& value, int depth) {
    check_depth(depth);
    budget_.step();
    budget_.bytes(out_.size() / 64); // grows with what there is, so that doubling ends
    if (out_.size() > limits::template_bytes) budget_.bytes(out_.size());
    if (value.is_text()) {
      out_ += python_quoted(value.text());
    } else if (value.is_list()) {
      const List& list = value.list();
      out_ += list.tuple ? '(' : '[';
      for (std::size_t i = 0; i < list.items.size(); ++i) {
        if (i > 0) out_ += ", ";
        add(list.items[i], depth + 1);
      }
      if (list.tuple && list.items.size() == 1) out_ += ',';
      out_ += list.tuple ? ')' : ']';
    } else if (value.is_dict()) {
      out_ += '{';
      bool first = true;
      for (const auto& [key, member] : value.dict().entries) {
        if (!std::exchange(first, false)) out_ += ", ";
        add(key, depth + 1);
        out_ += ": ";
        add(member, depth + 1);
      }
      out_ += '}';
    } else if (value.is_undefined()) {
      out_ += "Undefined";
    } else {
      out_ += to_text(value, budget_);
    }
  }
  std::string take() { return std::move(out_); }

private:
  Budget& budget_;
  std::string out_;
};

} // namespace

std::string repr(const Value& value, Budget& budget) {
  Repr out(budget);
  out.add(value, 0);
  return out.take();
}

std::string to_text(const Value& value, Budget& budget) {
  if (value.is_undefined()) return "";
  if (value.is_text()) return value.text();
  if (value.is_none()) return "None";
  if (value.is_boolean()) return value.boolean() ? "True" : "False";
  if (value.is_integer()) return std::to_string(value.whole());
  if (value.is_real()) return number_text(value.real());
  if (value.is_object()) return value.object().description();
  return repr(value, budget);
}

std::vector<std::string_view> characters(std::string_view text) {
  count_steps(text.size() / 8);
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const std::size_t length = first_code_point(text).length;
    out.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return out;
}

std::size_t length_of(const Value& value) {
  if (value.is_text())
    return static_cast<std::size_t>(std::count_if(value.text().begin(), value.text().end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    }));
  if (value.is_list()) return value.list().items.size();
  if (value.is_dict()) return value.dict().entries.size();
  if (value.is_undefined()) return 0;
  refuse(std::string("a value of the type '") + value.type_name() + "' has no length");
}

bool equal(const Value& left, const Value& right, int depth) {
  check_depth(depth);
  if (left.is_number() && right.is_number()) {
    if (left.is_whole() && right.is_whole()) return left.whole() == right.whole();
    return left.real() == right.real();
  }
  if (left.is_text() && right.is_text()) {
    if (left.text().size() != right.text().size()) return false;
    count_through(left);
    return left.text() == right.text();
  }
  if (left.is_list() && right.is_list()) {
    const Values& a = left.list().items;
    const Values& b = right.list().items;
    if (&a == &b) return true;
    return left.list().tuple == right.list().tuple &&
           std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [&](const Value& x, const Value& y) { return equal(x, y, depth + 1); });
  }
  if (left.is_dict() && right.is_dict()) {
    const Dict& a = left.dict();
    const Dict& b = right.dict();
    if (&a == &b) return true;
    return a.entries.size() == b.entries.size() && std::all_of(a.entries.begin(), a.entries.end(), [&](const auto& e) {
             const Value* other = b.find(e.first);
             return other && equal(e.second, *other, depth + 1);
           });
  }
  if (left.is_object() && right.is_object()) return &left.object() == &right.object();
  return (left.is_none() && right.is_none()) || (left.is_undefined() && right.is_undefined());
}

bool less(const Value& left, const Value& right, int depth) {
  check_depth(depth);
  if (left.is_number() && right.is_number()) {
    if (left.is_whole() && right.is_whole()) return left.whole() < right.whole();
    return left.real() < right.real();
  }
  if (left.is_text() && right.is_text()) count_through(left.text().size() < right.text().size() ? left : right);
  if (left.is_text() && right.is_text()) return left.text() < right.text(); // UTF-8 sorts as code points do
  if (left.is_list() && right.is_list() && left.list().tuple == right.list().tuple) {
    const Values& a = left.list().items;
    const Values& b = right.list().items;
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i)
      if (!equal(a[i], b[i], depth + 1)) return less(a[i], b[i], depth + 1);
    return a.size() < b.size();
  }
  refuse(std::string("values of the types '") + left.type_name() + "' and '" + right.type_name() + "' have no order");
}

bool contains(const Value& container, const Value& value) {
  if (container.is_text()) {
    if (!value.is_text()) refuse("'in' a text needs a text");
    count_through(container);
    return find_text(container.text(), value.text()) != std::string_view::npos;
  }
  if (container.is_dict()) return container.dict().find(value) != nullptr;
  if (container.is_undefined()) return false;
  if (!container.is_list()) refuse(std::string("'in' a value of the type '") + container.type_name() + "'");
  const Values& items = container.list().items;
  return std::any_of(items.begin(), items.end(), [&](const Value& item) { return equal(item, value); });
}

namespace {

// Python's // and % round towards minus infinity.
Value whole_arithmetic(const std::string& operation, std::int64_t left, std::int64_t right) {
  std::int64_t out = 0;
  bool overflow = false;
  if (operation == "+")
    overflow = __builtin_add_overflow(left, right, &out);
  else if (operation == "-")
    overflow = __builtin_sub_overflow(left, right, &out);
  else if (operation == "*")
    overflow = __builtin_mul_overflow(left, right, &out);
  else if (operation == "**") {
    if (right < 0) return Value(std::pow(static_cast<double>(left), static_cast<double>(right)));
    out = 1;
    if (left == 0 || left == 1) return Value(right == 0 ? std::int64_t{1} : left);
    if (left == -1) return Value(right % 2 == 0 ? std::int64_t{1} : std::int64_t{-1});
    for (std::int64_t i = 0; i < right && !overflow; ++i)
      overflow = __builtin_mul_overflow(out, left, &out);
  } else {
    if (right == 0) refuse("division by zero");
    if (operation == "/") return Value(static_cast<double>(left) / static_cast<double>(right));
    if (right == -1) return operation == "%" ? Value(std::int64_t{0}) : whole_arithmetic("-", 0, left);
    std::int64_t quotient = left / right;
    std::int64_t rest = left % right;
    if (rest != 0 && (rest < 0) != (right < 0)) {
      rest += right;
      --quotient;
    }
    return Value(operation == "%" ? rest : quotient);
  }
  if (overflow) refuse("a number is too large");
  return Value(out);
}

Value arithmetic(const std::string& operation, const Value& left, const Value& right) {
  if (left.is_whole() && right.is_whole()) return whole_arithmetic(operation, left.whole(), right.whole());
  const double a = left.real();
  const double b = right.real();
  if (operation == "+") return Value(a + b);
  if (operation == "-") return Value(a - b);
  if (operation == "*") return Value(a * b);
  if (operation == "**") return Value(std::pow(a, b));
  if (b == 0) refuse("division by zero");
  if (operation == "/") return Value(a / b);
  return Value(operation == "//" ? std::floor(a / b) : a - b * std::floor(a / b));
}

// Repeats a text or a list.
Value repeated(Maker& make, const Value& value, std::int64_t times) {
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
  const auto bound = [&](std::size_t size) { // the product, as far as it matters
    return size > 0 && count > limits::template_bytes ? limits::template_bytes + 1 : size * count;
  };
  if (value.is_text()) {
    make.budget().bytes(bound(value.text().size()));
    std::string out;
    for (std::size_t i = 0; i < count && !value.text().empty(); ++i)
      out += value.text();
    return make.text(std::move(out));
  }
  const Values& items = value.list().items;
  make.budget().elements(bound(items.size()));
  Values out;
  for (std::size_t i = 0; i < count && !items.empty(); ++i)
    out.insert(out.end(), items.begin(), items.end());
  return make.list(std::move(out), value.list().tuple);
}

bool is_sequence(const Value& value) { return value.is_text() || value.is_list(); }

} // namespace

Value binary(Maker& make, const std::string& operation, const Value& left, const Value& right) {
  if (operation == "~") {
    std::string out = to_text(left, make.budget());
    const std::string tail = to_text(right, make.budget());
    make.budget().bytes(out.size() + tail.size());
    return make.text(std::move(out += tail));
  }
  if (left.is_undefined() || right.is_undefined())
    refuse("'" + (left.is_undefined() ? left.missing() : right.missing()) + "' is undefined");
  if (operation == "%" && left.is_text()) return make.text(percent_format(make, left.text(), right));
  if (operation == "+" && left.is_text() && right.is_text()) {
    make.budget().bytes(left.text().size() + right.text().size());
    return make.text(left.text() + right.text());
  }
  if (operation == "+" && left.is_list() && right.is_list() && left.list().tuple == right.list().tuple) {
    const Values& more = right.list().items;
    make.budget().elements(left.list().items.size() + more.size());
    Values out = left.list().items;
    out.insert(out.end(), more.begin(), more.end());
    return make.list(std::move(out), left.list().tuple);
  }
  if (operation == "*" && is_sequence(left) && right.is_whole()) return repeated(make, left, right.whole());
  if (operation == "*" && is_sequence(right) && left.is_whole()) return repeated(make, right, left.whole());
  if (left.is_number() && right.is_number()) return arithmetic(operation, left, right);
  refuse("'" + operation + "' between values of the types '" + left.type_name() + "' and '" + right.type_name() + "'");
}

Value negative(const Value& value) {
  if (value.is_real()) return Value(-value.real());
  if (!value.is_whole())
    refuse(value.is_undefined() ? "'" + value.missing() + "' is undefined"
                                : std::string("'-' of a value of the type '") + value.type_name() + "'");
  return whole_arithmetic("-", 0, value.whole());
}

Value item_of(Maker& make, const Value& value, const Value& key) {
  if (value.is_undefined()) refuse("'" + value.missing() + "' is undefined");
  if (value.is_dict()) {
    if (key.is_list() && !key.list().tuple) return {};
    const Value* found = key.is_dict() || key.is_object() || key.is_undefined() ? nullptr : value.dict().find(key);
    return found ? *found : Value(Undefined{key.is_text() ? key.text() : "the item"});
  }
  if (is_sequence(value) && key.is_whole()) {
    const auto size = static_cast<std::int64_t>(length_of(value));
    std::int64_t index = key.whole();
    if (index < 0) index += size;
    if (index < 0 || index >= size) return Value(Undefined{"the item " + std::to_string(key.whole())});
    if (value.is_list()) return value.list().items[static_cast<std::size_t>(index)];
    make.budget().step(size / 64);
    return make.text(std::string(characters(value.text())[static_cast<std::size_t>(index)]));
  }
  if (value.is_list() && value.list().group && key.is_text() && (key.text() == "grouper" || key.text() == "list"))
    return value.list().items[key.text() == "list" ? 1 : 0];
  return Value(Undefined{key.is_text() ? key.text() : "the item"});
}

Value slice_of(Maker& make, const Value& value, const Value& start, const Value& stop, const Value& step) {
  if (value.is_undefined()) refuse("'" + value.missing() + "' is undefined");
  if (!is_sequence(value)) refuse(std::string("a slice of a value of the type '") + value.type_name() + "'");
  const auto whole = [](const Value& given) {
    if (!given.is_whole()) refuse("a slice needs whole numbers");
    return given.whole();
  };
  const std::int64_t by = step.is_none() ? 1 : whole(step);
  if (by == 0) refuse("a slice with step 0");
  const auto size = static_cast<std::int64_t>(length_of(value));
  const auto clamp = [&](const Value& given, std::int64_t otherwise) {
    if (given.is_none()) return otherwise;
    const std::int64_t at = whole(given);
    const std::int64_t low = by > 0 ? 0 : -1;
    return std::clamp(at < 0 ? std::max<std::int64_t>(at, -size - 1) + size : at, low, by > 0 ? size : size - 1);
  };
  const std::int64_t first = clamp(start, by > 0 ? 0 : size - 1);
  const std::int64_t last = clamp(stop, by > 0 ? size : -1);
  make.budget().step(size / 8);
  const auto parts = value.is_text() ? characters(value.text()) : std::vector<std::string_view>{};
  Values list;
  std::string out;
  const std::int64_t stride = std::clamp<std::int64_t>(by, -size - 1, size + 1);
  for (std::int64_t at = first; stride > 0 ? at < last : at > last; at += stride) {
    if (value.is_text())
      out += parts[static_cast<std::size_t>(at)];
    else
      list.push_back(value.list().items[static_cast<std::size_t>(at)]);
  }
  return value.is_text() ? make.text(std::move(out)) : make.list(std::move(list), value.list().tuple);
}

Values elements_of(Maker& make, const Value& value) {
  count_through(value);
  if (value.is_list()) return value.list().items;
  Values out;
  if (value.is_undefined()) return out;
  if (value.is_dict()) {
    for (const auto& [key, member] : value.dict().entries)
      out.push_back(key);
  } else if (value.is_text()) {
    make.budget().elements(value.text().size());
    for (const std::string_view character : characters(value.text()))
      out.push_back(make.text(std::string(character)));
  } else {
    refuse(std::string("a value of the type '") + value.type_name() + "' cannot be gone over");
  }
  return out;
}

} // namespace headscope::text::jinja
