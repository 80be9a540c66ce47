// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/jinja/format.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/text/unicode.h"

namespace headscope::text::jinja {

namespace {

constexpr int widest = 100'000; // of a field

// The specification after "%" or ":" of a replacement.
struct Field {
  bool left = false, zero = false, plus = false, blank = false, alternate = false, comma = false, center = false;
  std::string fill = " ";
  int width = 0, precision = -1;
  char type = 's';
};

int read_number(std::string_view text, std::size_t& at) {
  int out = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at)
    if ((out = out * 10 + (text[at] - '0')) > widest) refuse("a format asks for more than 100000 characters");
  return out;
}

std::string padded(const std::string& text, const Field& field, bool number) {
  const auto size = static_cast<int>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  if (size >= field.width) return text;
  std::string before, after;
  const int gap = field.width - size;
  const int left = field.center ? gap / 2 : field.left ? 0 : gap;
  for (int i = 0; i < gap; ++i)
    (i < left ? before : after) += field.fill;
  if (!number || !field.zero || field.left || field.center) return before + text + after;
  const std::size_t sign = text.starts_with('-') || text.starts_with('+') || text.starts_with(' ') ? 1 : 0;
  return text.substr(0, sign) + std::string(static_cast<std::size_t>(gap), '0') + text.substr(sign);
}

std::string with_commas(std::string digits) {
  const std::size_t begin = digits.starts_with('-') || digits.starts_with('+') ? 1 : 0;
  const std::size_t end = std::min(digits.find('.'), digits.size());
  for (std::size_t at = end; at > begin + 3; at -= 3)
    digits.insert(at - 3, 1, ',');
  return digits;
}

std::string whole_text(std::int64_t value, const Field& field) {
  const bool negative = value < 0;
  const std::uint64_t size = negative ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  char digits[72] = {};
  if (field.type == 'x' || field.type == 'X' || field.type == 'o')
    std::snprintf(digits, sizeof digits,
                  field.type == 'o'   ? "%lo"
                  : field.type == 'x' ? "%lx"
                                      : "%lX",
                  static_cast<unsigned long>(size));
  else
    std::snprintf(digits, sizeof digits, "%lu", static_cast<unsigned long>(size));
  std::string out = digits;
  if (field.precision > static_cast<int>(out.size()))
    out.insert(0, static_cast<std::size_t>(field.precision) - out.size(), '0');
  if (field.alternate && field.type != 'd') out.insert(0, std::string("0") + field.type);
  if (field.comma) out = with_commas(out);
  return (negative ? "-" : field.plus ? "+" : field.blank ? " " : "") + out;
}

std::string real_text(double value, const Field& field) {
  if (std::isnan(value) || std::isinf(value)) return number_text(value);
  const std::string format = std::string("%") +
                             (field.plus    ? "+"
                              : field.blank ? " "
                                            : "") +
                             (field.alternate ? "#" : "") + ".*" + field.type;
  const int precision = field.precision < 0 ? 6 : field.precision;
  std::string out(static_cast<std::size_t>(precision) + 400, '\0');
  out.resize(static_cast<std::size_t>(std::snprintf(out.data(), out.size(), format.c_str(), precision, value)));
  return field.comma ? with_commas(out) : out;
}

std::string first_characters(const std::string& text, int count) {
  std::string_view rest = text;
  std::size_t bytes = 0;
  for (int i = 0; i < count && bytes < rest.size(); ++i)
    bytes += first_code_point(rest.substr(bytes)).length;
  return text.substr(0, bytes);
}

std::string formatted(Maker& make, const Value& value, const Field& field) {
  const std::string types = "eEfFgG";
  if (types.find(field.type) != std::string::npos) {
    if (!value.is_number())
      refuse(std::string("a format of a number for a value of the type '") + value.type_name() + "'");
    return padded(real_text(value.real(), field), field, true);
  }
  if (std::string("diuxXo").find(field.type) != std::string::npos) {
    if (!value.is_number())
      refuse(std::string("a format of a number for a value of the type '") + value.type_name() + "'");
    Field whole = field;
    if (field.type == 'i' || field.type == 'u') whole.type = 'd';
    return padded(whole_text(value.is_real() ? static_cast<std::int64_t>(value.real()) : value.whole(), whole), field,
                  true);
  }
  std::string text;
  if (field.type == 'c' && value.is_whole())
    append_utf8(static_cast<char32_t>(std::clamp<std::int64_t>(value.whole(), 0, 0x10FFFF)), text);
  else
    text = field.type == 'r' ? repr(value, make.budget()) : to_text(value, make.budget());
  if (field.precision >= 0) text = first_characters(text, field.precision);
  return padded(text, field, false);
}

} // namespace

std::string percent_format(Maker& make, const std::string& format, const Value& values) {
  const bool tuple = values.is_list() && values.list().tuple;
  std::size_t next = 0;
  const auto argument = [&]() -> Value {
    if (!tuple) {
      if (next++ > 0) refuse("not enough arguments for a format");
      return values;
    }
    if (next >= values.list().items.size()) refuse("not enough arguments for a format");
    return values.list().items[next++];
  };
  std::string out;
  for (std::size_t at = 0; at < format.size(); ++at) {
    make.budget().step();
    if (format[at] != '%') {
      out += format[at];
      continue;
    }
    if (++at >= format.size()) refuse("a format ends in '%'");
    std::optional<Value> named;
    if (format[at] == '(') {
      const std::size_t close = format.find(')', at);
      if (close == std::string::npos || !values.is_dict()) refuse("a format with names needs a dictionary");
      const Value* found = values.dict().find(make.text(format.substr(at + 1, close - at - 1)));
      if (!found) refuse("a format names a key that is not there");
      named = *found;
      at = close + 1;
    }
    Field field;
    for (; at < format.size(); ++at) {
      if (format[at] == '-')
        field.left = true;
      else if (format[at] == '0')
        field.zero = true;
      else if (format[at] == '+')
        field.plus = true;
      else if (format[at] == ' ')
        field.blank = true;
      else if (format[at] == '#')
        field.alternate = true;
      else
        break;
    }
    field.width = read_number(format, at);
    if (at < format.size() && format[at] == '.') field.precision = read_number(format, ++at);
    if (at >= format.size()) refuse("a format ends too early");
    field.type = format[at];
    if (field.type == '%') {
      out += '%';
      continue;
    }
    if (std::string("sradiuxXoeEfFgGc").find(field.type) == std::string::npos)
      refuse(std::string("a format with '%") + field.type + "'");
    out += formatted(make, named ? *named : argument(), field);
    make.budget().bytes(out.size());
  }
  // As in Python, all items of a tuple must be used, and a single text or number at least once.
  const bool one = values.is_text() || values.is_number() || values.is_none();
  if ((tuple && next < values.list().items.size()) || (one && next == 0))
    refuse("not all arguments are used by a format");
  return out;
}

namespace {

Field read_spec(std::string_view spec, bool number) {
  Field field;
  field.left = !number;
  std::size_t at = 0;
  const auto align = [&](char c) {
    field.left = c == '<';
    field.center = c == '^';
    field.zero = field.zero || c == '=';
  };
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  if (!spec.empty()) {
    const std::size_t first = first_code_point(spec).length;
    if (first < spec.size() && is_align(spec[first])) {
      field.fill = std::string(spec.substr(0, first));
      align(spec[first]);
      at = first + 1;
    } else if (is_align(spec[0])) {
      align(spec[0]);
      at = 1;
    }
  }
  for (; at < spec.size() && (spec[at] == '+' || spec[at] == '-' || spec[at] == ' ' || spec[at] == '#'); ++at) {
    field.plus = field.plus || spec[at] == '+';
    field.blank = field.blank || spec[at] == ' ';
    field.alternate = field.alternate || spec[at] == '#';
  }
  if (at < spec.size() && spec[at] == '0') {
    field.zero = true;
    ++at;
  }
  field.width = read_number(spec, at);
  if (at < spec.size() && spec[at] == ',') {
    field.comma = true;
    ++at;
  }
  if (at < spec.size() && spec[at] == '.') field.precision = read_number(spec, ++at);
  field.type = at < spec.size() ? spec[at++] : '\0';
  if (at != spec.size()) refuse("a format that is none: '" + std::string(spec) + "'");
  return field;
}

std::string by_spec(Maker& make, const Value& value, std::string_view spec) {
  const bool number = value.is_number() && !value.is_boolean();
  Field field = read_spec(spec, number);
  if (field.type == '%') {
    field.type = 'f';
    std::string text = real_text(value.real() * 100, field) + "%";
    return padded(text, field, true);
  }
  if (field.type == '\0') {
    if (!number)
      field.type = 's';
    else if (value.is_real() && field.precision < 0)
      return padded(field.comma ? with_commas(number_text(value.real())) : number_text(value.real()), field, true);
    else
      field.type = value.is_real() ? 'g' : 'd';
  }
  return formatted(make, value, field);
}

} // namespace

std::string brace_format(Maker& make, const std::string& format, const Arguments& arguments) {
  std::string out;
  std::size_t automatic = 0;
  for (std::size_t at = 0; at < format.size(); ++at) {
    make.budget().step();
    const char c = format[at];
    const bool doubled = at + 1 < format.size() && format[at + 1] == c;
    if (c != '{' && c != '}') {
      out += c;
      continue;
    }
    if (doubled) {
      out += c;
      ++at;
      continue;
    }
    const std::size_t close = format.find('}', at);
    if (c == '}' || close == std::string::npos) refuse("a single brace in a format");
    std::string inside = format.substr(at + 1, close - at - 1);
    at = close;
    std::string spec;
    if (const std::size_t colon = inside.find(':'); colon != std::string::npos) {
      spec = inside.substr(colon + 1);
      inside.resize(colon);
    }
    const bool as_repr = inside.ends_with("!r");
    if (inside.ends_with("!r") || inside.ends_with("!s")) inside.resize(inside.size() - 2);
    const std::size_t part = std::min(inside.find_first_of(".["), inside.size());
    std::string name = inside.substr(0, part);
    const bool digits = name.find_first_not_of("0123456789") == std::string::npos && name.size() < 6;
    if (name.empty()) name = std::to_string(automatic++);
    const Value* found = digits ? arguments.get(static_cast<std::size_t>(std::stoi(name)), "") : nullptr;
    for (const auto& [key, value] : arguments.named)
      if (!digits && key == name) found = &value;
    if (!found) refuse("a format names an argument that is not there");
    if (part < inside.size())
      throw Failure{ErrorCode::unsupported, "a format with attributes or items is not supported"};
    out += as_repr ? by_spec(make, make.text(repr(*found, make.budget())), spec) : by_spec(make, *found, spec);
    make.budget().bytes(out.size());
  }
  return out;
}

namespace {

void append_escape(std::string& out, std::uint32_t unit) {
  constexpr char digits[] = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4)
    out += digits[(unit >> shift) & 15];
}

std::string json_string(std::string_view text, bool ascii) {
  std::string out = "\"";
  for (const std::string_view character : characters(text)) {
    const char32_t c = first_code_point(character).value;
    static constexpr std::string_view plain = "\"\\\b\f\n\r\t", letters = "\"\\bfnrt";
    const std::size_t known = c < 0x80 ? plain.find(static_cast<char>(c)) : std::string_view::npos;
    if (known != std::string_view::npos) {
      (out += '\\') += letters[known];
    } else if (c < 0x20 || (ascii && c > 0x7E && c < 0x10000)) {
      append_escape(out, c);
    } else if (ascii && c >= 0x10000) {
      append_escape(out, 0xD800 + ((c - 0x10000) >> 10));
      append_escape(out, 0xDC00 + ((c - 0x10000) & 0x3FF));
    } else {
      out += character;
    }
  }
  return out + '"';
}

class JsonWriter {
public:
  JsonWriter(Maker& make, const JsonStyle& style) : make_(make), style_(style) {}

  void add(const Value& value, int depth) {
    if (depth > limits::nesting)
      refuse("'tojson' of values that lie more than " + std::to_string(limits::nesting) + " deep");
    make_.budget().step();
    if (out_.size() > limits::template_bytes) make_.budget().bytes(out_.size());
    if (value.is_text())
      out_ += json_string(value.text(), style_.ascii);
    else if (value.is_none())
      out_ += "null";
    else if (value.is_boolean())
      out_ += value.boolean() ? "true" : "false";
    else if (value.is_real())
      out_ += real(value.real());
    else if (value.is_integer())
      out_ += std::to_string(value.whole());
    else if (value.is_list())
      add_list(value.list(), depth);
    else if (value.is_dict())
      add_dict(value.dict(), depth);
    else
      refuse(std::string("'tojson' of a value of the type '") + value.type_name() + "'");
  }
  std::string take() { return std::move(out_); }

private:
  static std::string real(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return number_text(value);
  }
  void line(int depth) {
    if (!style_.indent) return;
    out_ += '\n';
    for (int i = 0; i < depth; ++i)
      out_ += *style_.indent;
  }
  void add_list(const List& list, int depth) {
    if (list.items.empty()) {
      out_ += "[]";
      return;
    }
    out_ += '[';
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out_ += style_.between;
      line(depth + 1);
      add(list.items[i], depth + 1);
    }
    line(depth);
    out_ += ']';
  }
  void add_dict(const Dict& dict, int depth) {
    if (dict.entries.empty()) {
      out_ += "{}";
      return;
    }
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries)
      entries.push_back(&entry);
    if (style_.sorted)
      std::stable_sort(entries.begin(), entries.end(),
                       [](const auto* a, const auto* b) { return less(a->first, b->first); });
    out_ += '{';
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out_ += style_.between;
      line(depth + 1);
      const Value& key = entries[i]->first;
      if (key.is_text())
        add(key, depth + 1);
      else if (key.is_none() || key.is_number()) {
        out_ += '"';
        add(key, depth + 1);
        out_ += '"';
      } else
        refuse("'tojson' of a dictionary whose keys are no texts");
      out_ += style_.colon;
      add(entries[i]->second, depth + 1);
    }
    line(depth);
    out_ += '}';
  }

  Maker& make_;
  const JsonStyle& style_;
  std::string out_;
};

} // namespace

std::string json_text(Maker& make, const Value& value, const JsonStyle& style) {
  JsonWriter writer(make, style);
  writer.add(value, 0);
  return writer.take();
}

} // namespace headscope::text::jinja
