// SPDX-License-Identifier: GPL-3.0-or-later
// Methods of Python's texts, lists and dictionaries.
#include <algorithm>
#include <array>
#include <utf8proc.h>

#include "core/text/jinja/format.h"
#include "core/text/jinja/library.h"
#include "core/text/unicode.h"

namespace headscope::text::jinja {

namespace {

bool is_space(char32_t c) { return is_whitespace(c) || (c >= 0x1C && c <= 0x1F); }

bool is_letter(char32_t c) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}
bool is_cased(char32_t c) {
  const auto value = static_cast<utf8proc_int32_t>(c);
  return utf8proc_islower(value) || utf8proc_isupper(value) || utf8proc_category(value) == UTF8PROC_CATEGORY_LT;
}

// Searching from the right may take time that grows with the product of both sizes, which is counted.
std::size_t rfind_text(std::string_view text, std::string_view wanted) {
  if (Budget* budget = Budget::current())
    budget->step(static_cast<std::int64_t>((text.size() / 64) * (wanted.size() / 64)));
  return text.rfind(wanted);
}

template <typename Change> std::string each_character(const std::string& text, Change change) {
  std::string out;
  out.reserve(text.size());
  for (std::string_view rest = text; !rest.empty();) {
    const CodePoint c = first_code_point(rest);
    change(c.value, out);
    rest.remove_prefix(c.length);
  }
  return out;
}

void add_upper(char32_t c, std::string& out) {
  if (c == 0xDF) // the one common letter whose upper case is two
    out += "SS";
  else
    append_utf8(static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))), out);
}
void add_title(char32_t c, std::string& out) {
  if (c == 0xDF)
    out += "Ss";
  else
    append_utf8(static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))), out);
}
void add_lower(char32_t c, std::string& out) { append_utf8(to_lower(c), out); }

// Computes str.title(): a letter not preceded by a letter begins a word.
std::string title(const std::string& text) {
  bool inside = false;
  return each_character(text, [&](char32_t c, std::string& out) {
    (inside ? add_lower : add_title)(c, out);
    inside = is_cased(c);
  });
}

std::string swapped(const std::string& text) {
  return each_character(text, [](char32_t c, std::string& out) {
    (utf8proc_isupper(static_cast<utf8proc_int32_t>(c)) ? add_lower : add_upper)(c, out);
  });
}

bool all_of(const std::string& text, bool (*test)(char32_t)) {
  for (const std::string_view character : characters(text))
    if (!test(first_code_point(character).value)) return false;
  return !text.empty();
}

bool of_case(const std::string& text, bool up) {
  bool any = false;
  for (const std::string_view character : characters(text)) {
    const char32_t c = first_code_point(character).value;
    if (!is_cased(c)) continue;
    if (static_cast<bool>(utf8proc_isupper(static_cast<utf8proc_int32_t>(c))) != up) return false;
    any = true;
  }
  return any;
}

Values split_at_spaces(Maker& make, const std::string& text, std::int64_t most, bool from_right) {
  const auto skip = [&](std::string_view& rest) { // towards the next word
    while (!rest.empty() && is_space((from_right ? last_code_point(rest) : first_code_point(rest)).value)) {
      if (from_right)
        rest.remove_suffix(last_code_point(rest).length);
      else
        rest.remove_prefix(first_code_point(rest).length);
    }
  };
  std::vector<std::string_view> words;
  std::string_view rest = text;
  for (skip(rest); !rest.empty(); skip(rest)) {
    if (most >= 0 && static_cast<std::int64_t>(words.size()) == most) {
      words.push_back(rest); // with the white space at its far end, as in Python
      break;
    }
    std::string_view word = rest;
    if (from_right) {
      while (!rest.empty() && !is_space(last_code_point(rest).value))
        rest.remove_suffix(last_code_point(rest).length);
      word.remove_prefix(rest.size());
    } else {
      while (!rest.empty() && !is_space(first_code_point(rest).value))
        rest.remove_prefix(first_code_point(rest).length);
      word.remove_suffix(rest.size());
    }
    words.push_back(word);
  }
  if (from_right) std::reverse(words.begin(), words.end());
  Values out;
  for (const std::string_view word : words)
    out.push_back(make.text(std::string(word)));
  return out;
}

Value split(Maker& make, const std::string& text, const Arguments& arguments, bool from_right) {
  const Value* given = arguments.get(0, "sep");
  std::int64_t most = whole_argument(arguments, 1, "maxsplit", -1);
  make.budget().elements(text.size() / 2);
  if (!given || given->is_none()) return make.list(split_at_spaces(make, text, most, from_right));
  const std::string separator = text_argument(arguments, 0, "sep", "split");
  if (separator.empty()) refuse("split() with an empty separator");
  Values out;
  if (from_right) {
    std::size_t end = text.size();
    for (std::size_t found = rfind_text(text, separator); found != std::string::npos && most != 0; --most) {
      out.push_back(make.text(text.substr(found + separator.size(), end - found - separator.size())));
      end = found;
      found = found >= separator.size() ? text.rfind(separator, found - separator.size()) : std::string::npos;
    }
    out.push_back(make.text(text.substr(0, end)));
    std::reverse(out.begin(), out.end());
    return make.list(std::move(out));
  }
  std::size_t at = 0;
  for (std::size_t found = find_text(text, separator); found != std::string::npos && most != 0; --most) {
    out.push_back(make.text(text.substr(at, found - at)));
    at = found + separator.size();
    found = find_text(text, separator, at);
  }
  out.push_back(make.text(text.substr(at)));
  return make.list(std::move(out));
}

Value partition(Maker& make, const std::string& text, const std::string& separator, bool from_right) {
  if (separator.empty()) refuse("partition() with an empty separator");
  const std::size_t found = from_right ? rfind_text(text, separator) : find_text(text, separator);
  Values out;
  if (found == std::string::npos) {
    out = {make.text(text), make.text(""), make.text("")};
    if (from_right) std::swap(out[0], out[2]);
  } else {
    out = {make.text(text.substr(0, found)), make.text(separator), make.text(text.substr(found + separator.size()))};
  }
  return make.list(std::move(out), true);
}

Value join(Maker& make, const std::string& separator, const Value& list) {
  std::string out;
  bool first = true;
  for (const Value& item : elements_of(make, list)) {
    if (!item.is_text()) refuse(std::string("join() of a value of the type '") + item.type_name() + "'");
    if (!std::exchange(first, false)) out += separator;
    out += item.text();
    make.budget().bytes(out.size());
  }
  return make.text(std::move(out));
}

// The part of a text between the character positions given to find() and similar methods.
struct Window {
  std::string_view text;
  std::int64_t first = 0;
};
Window window_of(const std::string& text, const Arguments& arguments) {
  const auto size = static_cast<std::int64_t>(length_of(Value(std::make_shared<const Text>(text, nullptr))));
  const auto place = [&](std::size_t index, std::int64_t otherwise) {
    const Value* given = arguments.get(index, "");
    if (!given || given->is_none()) return otherwise;
    const std::int64_t at = whole_argument(arguments, index, "", otherwise);
    return std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size);
  };
  const std::int64_t begin = place(1, 0);
  const std::int64_t end = std::max(begin, place(2, size));
  if (begin == 0 && end == size) return {text, 0};
  const auto parts = characters(text);
  const auto bytes = [&](std::int64_t at) {
    return at == size ? text.size()
                      : static_cast<std::size_t>(parts[static_cast<std::size_t>(at)].data() - text.data());
  };
  return {std::string_view(text).substr(bytes(begin), bytes(end) - bytes(begin)), begin};
}

std::int64_t found_at(const std::string& text, const Arguments& arguments, const std::string& name) {
  const Window window = window_of(text, arguments);
  const std::string& wanted = text_argument(arguments, 0, "", name);
  const std::size_t at = name.starts_with('r') ? rfind_text(window.text, wanted) : find_text(window.text, wanted);
  if (at == std::string_view::npos) {
    if (name.ends_with("index")) refuse("substring not found");
    return -1;
  }
  return window.first + static_cast<std::int64_t>(characters(window.text.substr(0, at)).size());
}

bool begins_or_ends(const std::string& text, const Arguments& arguments, const std::string& name) {
  const Window window = window_of(text, arguments);
  const auto matches = [&](const Value& part) {
    if (!part.is_text()) refuse("'" + name + "' needs a text");
    count_through(part);
    return name == "startswith" ? window.text.starts_with(part.text()) : window.text.ends_with(part.text());
  };
  const Value* given = arguments.get(0, "");
  if (!given) refuse("'" + name + "' needs a text");
  if (!given->is_list()) return matches(*given);
  const Values& all = given->list().items;
  return std::any_of(all.begin(), all.end(), matches);
}

std::int64_t count_in(const std::string& text, const Arguments& arguments) {
  const Window window = window_of(text, arguments);
  const std::string& wanted = text_argument(arguments, 0, "", "count");
  if (wanted.empty()) return static_cast<std::int64_t>(characters(window.text).size()) + 1;
  std::int64_t count = 0;
  for (std::size_t at = find_text(window.text, wanted); at != std::string_view::npos;
       at = find_text(window.text, wanted, at + wanted.size()))
    ++count;
  return count;
}

std::string justified(Maker& make, const std::string& text, const Arguments& arguments, const std::string& name) {
  const std::int64_t width = whole_argument(arguments, 0, "width", 0);
  const auto size = static_cast<std::int64_t>(characters(text).size());
  const std::string fill = arguments.get(1, "") ? text_argument(arguments, 1, "", name) : " ";
  if (width <= size) return text;
  make.budget().bytes(static_cast<std::size_t>(width) * fill.size());
  const std::int64_t gap = width - size;
  const std::int64_t before = name == "ljust"   ? 0
                              : name == "rjust" ? gap
                                                : gap / 2 + (gap & width & 1); // center() as CPython rounds it
  std::string out;
  for (std::int64_t i = 0; i < before; ++i)
    out += fill;
  out += text;
  for (std::int64_t i = before; i < gap; ++i)
    out += fill;
  return out;
}

std::string zero_filled(Maker& make, const std::string& text, std::int64_t width) {
  const auto size = static_cast<std::int64_t>(characters(text).size());
  if (width <= size) return text;
  make.budget().bytes(static_cast<std::size_t>(width));
  const std::size_t sign = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  return text.substr(0, sign) + std::string(static_cast<std::size_t>(width - size), '0') + text.substr(sign);
}

constexpr std::array<std::string_view, 38> text_methods = {
    "capitalize", "casefold", "center",   "count",      "endswith",  "find",         "format",       "index",
    "isalnum",    "isalpha",  "isdigit",  "isdecimal",  "isnumeric", "islower",      "isspace",      "isupper",
    "join",       "ljust",    "lower",    "lstrip",     "partition", "removeprefix", "removesuffix", "replace",
    "rfind",      "rindex",   "rjust",    "rpartition", "rsplit",    "rstrip",       "split",        "splitlines",
    "startswith", "strip",    "swapcase", "title",      "upper",     "zfill"};
constexpr std::array<std::string_view, 3> list_methods = {"count", "index", "copy"};
constexpr std::array<std::string_view, 5> dict_methods = {"get", "items", "keys", "values", "copy"};
// Methods that transformers' sandbox forbids because they would change a value.
constexpr std::array<std::string_view, 13> changing = {"append",  "clear",  "extend",  "insert", "pop",
                                                       "popitem", "remove", "reverse", "sort",   "setdefault",
                                                       "update",  "add",    "discard"};

template <typename Names> bool is_one_of(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Value text_result(Maker& make, const std::string& text, const std::string& name, const Arguments& a) {
  if (name == "strip" || name == "lstrip" || name == "rstrip")
    return make.text(strip(text, a.get(0, ""), name != "rstrip", name != "lstrip"));
  if (name == "split" || name == "rsplit") return split(make, text, a, name == "rsplit");
  if (name == "splitlines") {
    Values out;
    const Value* keep = a.get(0, "keepends");
    for (std::string& line : lines_of(text, keep && truth(*keep)))
      out.push_back(make.text(std::move(line)));
    return make.list(std::move(out));
  }
  if (name == "partition" || name == "rpartition")
    return partition(make, text, text_argument(a, 0, "", name), name == "rpartition");
  if (name == "replace")
    return make.text(replaced(make, text, text_argument(a, 0, "", name), text_argument(a, 1, "", name),
                              whole_argument(a, 2, "count", -1)));
  if (name == "join") return join(make, text, a.list.empty() ? Value() : a.list[0]);
  if (name == "format") return make.text(brace_format(make, text, a));
  if (name == "removeprefix" || name == "removesuffix") {
    const std::string& part = text_argument(a, 0, "", name);
    if (name == "removeprefix") return make.text(text.starts_with(part) ? text.substr(part.size()) : text);
    return make.text(!part.empty() && text.ends_with(part) ? text.substr(0, text.size() - part.size()) : text);
  }
  if (name == "zfill") return make.text(zero_filled(make, text, whole_argument(a, 0, "", 0)));
  if (name == "upper") return make.text(upper(text));
  if (name == "lower" || name == "casefold") return make.text(lower(text));
  if (name == "title") return make.text(title(text));
  if (name == "capitalize") return make.text(capitalized(text));
  if (name == "swapcase") return make.text(swapped(text));
  return make.text(justified(make, text, a, name));
}

Value text_method(Maker& make, const std::string& text, const std::string& name, const Arguments& a) {
  if (name == "startswith" || name == "endswith") return Value(begins_or_ends(text, a, name));
  if (name == "find" || name == "rfind" || name == "index" || name == "rindex") return Value(found_at(text, a, name));
  if (name == "count") return Value(count_in(text, a));
  if (name == "isupper" || name == "islower") return Value(of_case(text, name == "isupper"));
  if (name == "isspace") return Value(all_of(text, is_space));
  if (name == "isalpha") return Value(all_of(text, is_letter));
  if (name == "isalnum") return Value(all_of(text, [](char32_t c) { return is_letter(c) || is_numeric(c); }));
  if (name == "isnumeric") return Value(all_of(text, is_numeric));
  if (name == "isdigit" || name == "isdecimal")
    return Value(all_of(
        text, [](char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_ND; }));
  return text_result(make, text, name, a);
}

Value list_method(Maker& make, const Value& value, const std::string& name, const Arguments& a) {
  const Values& items = value.list().items;
  if (name == "copy") return make.list(items);
  if (a.list.empty()) refuse("'" + name + "' needs a value");
  std::int64_t count = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!equal(items[i], a.list[0])) continue;
    if (name == "index") return Value(static_cast<std::int64_t>(i));
    ++count;
  }
  if (name == "index") refuse("the value is not in the list");
  return Value(count);
}

Value dict_method(Maker& make, const Value& value, const std::string& name, const Arguments& a) {
  if (name == "copy") return value;
  if (name == "get") {
    if (a.list.empty()) refuse("'get' needs a key");
    const Value* found = value.dict().find(a.list[0]);
    const Value* otherwise = a.get(1, "");
    return found ? *found : otherwise ? *otherwise : Value(None{});
  }
  Values out;
  for (const auto& [key, member] : value.dict().entries)
    out.push_back(name == "keys" ? key : name == "values" ? member : make.list({key, member}, true));
  return make.list(std::move(out));
}

} // namespace

std::string strip(std::string_view text, const Value* given, bool left, bool right) {
  if (given && !given->is_none() && !given->is_text()) refuse("'strip' needs a text");
  const auto drops = [&](std::string_view character) {
    if (!given || given->is_none()) return is_space(first_code_point(character).value);
    count_through(*given);
    return find_text(given->text(), character) != std::string_view::npos;
  };
  while (left && !text.empty() && drops(text.substr(0, first_code_point(text).length)))
    text.remove_prefix(first_code_point(text).length);
  while (right && !text.empty() && drops(text.substr(text.size() - last_code_point(text).length)))
    text.remove_suffix(last_code_point(text).length);
  return std::string(text);
}

std::string upper(const std::string& text) { return each_character(text, add_upper); }
std::string lower(const std::string& text) { return each_character(text, add_lower); }
std::string capitalized(const std::string& text) {
  bool first = true;
  return each_character(
      text, [&](char32_t c, std::string& out) { (std::exchange(first, false) ? add_title : add_lower)(c, out); });
}

std::vector<std::string> lines_of(const std::string& text, bool keep_ends) {
  std::vector<std::string> out;
  std::string line;
  for (std::string_view rest = text; !rest.empty();) {
    const CodePoint c = first_code_point(rest);
    std::size_t length = c.length;
    const bool ends = (c.value >= 0xA && c.value <= 0xD) || (c.value >= 0x1C && c.value <= 0x1E) || c.value == 0x85 ||
                      c.value == 0x2028 || c.value == 0x2029;
    if (ends && rest.starts_with("\r\n")) length = 2;
    if (!ends || keep_ends) line += rest.substr(0, length);
    rest.remove_prefix(length);
    if (ends) out.push_back(std::exchange(line, {}));
  }
  if (!line.empty()) out.push_back(std::move(line));
  return out;
}

std::string replaced(Maker& make, const std::string& text, const std::string& from, const std::string& to,
                     std::int64_t most) {
  std::string out;
  std::size_t at = 0;
  if (from.empty()) { // between all characters, as Python has it
    for (const std::string_view character : characters(text)) {
      if (most-- != 0) out += to;
      out += character;
      make.budget().bytes(out.size());
    }
    return most != 0 ? out + to : out;
  }
  for (std::size_t found = find_text(text, from); found != std::string::npos && most != 0; --most) {
    out.append(text, at, found - at).append(to);
    if (out.size() > limits::template_bytes) make.budget().bytes(out.size());
    at = found + from.size();
    found = find_text(text, from, at);
  }
  return out.append(text, at, std::string::npos);
}

const std::string& text_argument(const Arguments& arguments, std::size_t place, const char* name,
                                 const std::string& callee) {
  const Value* given = arguments.get(place, name);
  if (!given || !given->is_text()) refuse("'" + callee + "' needs a text");
  return given->text();
}

std::int64_t whole_argument(const Arguments& arguments, std::size_t place, const char* name, std::int64_t otherwise) {
  const Value* given = arguments.get(place, name);
  if (!given || given->is_none()) return otherwise;
  if (!given->is_whole())
    refuse(std::string("a whole number is needed, not a value of the type '") + given->type_name() + "'");
  return given->whole();
}

bool has_method(const Value& value, const std::string& name) {
  if (value.is_text()) return is_one_of(text_methods, name);
  const bool changes = (value.is_list() || value.is_dict()) && is_one_of(changing, name);
  if (value.is_list()) return changes || is_one_of(list_methods, name);
  return value.is_dict() && (changes || is_one_of(dict_methods, name));
}

Value call_method(Maker& make, const Value& value, const std::string& name, const Arguments& arguments) {
  if (is_one_of(changing, name))
    refuse(std::string("'") + name + "' of a value of the type '" + value.type_name() +
           "' would change it, which transformers' sandbox forbids too; use a namespace or '+'");
  count_through(value);
  if (value.is_text()) return text_method(make, value.text(), name, arguments);
  if (value.is_list()) return list_method(make, value, name, arguments);
  return dict_method(make, value, name, arguments);
}

} // namespace headscope::text::jinja
