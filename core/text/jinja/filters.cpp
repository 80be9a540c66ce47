// SPDX-License-Identifier: GPL-3.0-or-later
// Filters of chat templates.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>

#include "core/text/jinja/format.h"
#include "core/text/jinja/library.h"
#include "core/text/unicode.h"

namespace headscope::text::jinja {

namespace {

using Filter = Value (*)(Maker&, const Value&, const Arguments&);

bool flag(const Arguments& a, std::size_t place, const char* name, bool otherwise = false) {
  const Value* given = a.get(place, name);
  return given ? truth(*given) : otherwise;
}

// Looks up "a.b" or "a.0" in a value, as the filters' `attribute` does; a number is an index.
Value attribute_of(Maker& make, Value value, const Value& path) {
  if (path.is_whole()) return item_of(make, value, path);
  if (!path.is_text()) refuse("an attribute needs a name");
  const std::string& text = path.text();
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t dot = std::min(text.find('.', at), text.size());
    const std::string part = text.substr(at, dot - at);
    const bool digits = !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == std::string::npos;
    if (value.is_undefined()) return value;
    if (value.is_object())
      value = value.object().attribute(part);
    else
      value = item_of(make, value, digits ? Value(static_cast<std::int64_t>(std::stoll(part))) : make.text(part));
    at = dot + 1;
  }
  return value;
}

Value ignoring_case(Maker& make, const Value& value, bool case_sensitive) {
  return value.is_text() && !case_sensitive ? make.text(lower(value.text())) : value;
}

// The key by which an element is compared; several attributes are separated by commas.
Value key_of(Maker& make, const Value& element, const Value* attribute, bool case_sensitive,
             const Value* otherwise = nullptr) {
  if (!attribute || attribute->is_none()) return ignoring_case(make, element, case_sensitive);
  if (attribute->is_text() && attribute->text().find(',') != std::string::npos) {
    Values keys;
    const std::string& text = attribute->text();
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t comma = std::min(text.find(',', at), text.size());
      keys.push_back(
          ignoring_case(make, attribute_of(make, element, make.text(text.substr(at, comma - at))), case_sensitive));
      at = comma + 1;
    }
    return make.list(std::move(keys));
  }
  Value found = attribute_of(make, element, *attribute);
  if (found.is_undefined() && otherwise) found = *otherwise;
  return ignoring_case(make, found, case_sensitive);
}

Values sorted(Maker& make, const Values& values, const Value* attribute, bool case_sensitive, bool reverse,
              const Value* otherwise = nullptr) {
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& value : values)
    keyed.emplace_back(key_of(make, value, attribute, case_sensitive, otherwise), value);
  make.budget().step(static_cast<std::int64_t>(values.size()));
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    return reverse ? less(b.first, a.first) : less(a.first, b.first);
  });
  Values out;
  for (auto& [key, value] : keyed)
    out.push_back(std::move(value));
  return out;
}

Value sort_filter(Maker& make, const Value& value, const Arguments& a) {
  a.check("sort", 3, {"reverse", "case_sensitive", "attribute"});
  return make.list(sorted(make, elements_of(make, value), a.get(2, "attribute"), flag(a, 1, "case_sensitive"),
                          flag(a, 0, "reverse")));
}

Value dictsort(Maker& make, const Value& value, const Arguments& a) {
  a.check("dictsort", 3, {"case_sensitive", "by", "reverse"});
  if (!value.is_dict()) refuse("'dictsort' needs a dictionary");
  Values items;
  for (const auto& [key, member] : value.dict().entries)
    items.push_back(make.list({key, member}, true));
  const Value* by = a.get(1, "by");
  const Value place(std::int64_t{by && by->is_text() && by->text() == "value" ? 1 : 0});
  return make.list(sorted(make, items, &place, flag(a, 0, "case_sensitive"), flag(a, 2, "reverse")));
}

Value groupby(Maker& make, const Value& value, const Arguments& a) {
  a.check("groupby", 3, {"attribute", "default", "case_sensitive"});
  const Value* attribute = a.get(0, "attribute");
  if (!attribute) refuse("'groupby' needs an attribute");
  const bool cased = flag(a, 2, "case_sensitive");
  const Value* otherwise = a.get(1, "default");
  Values out, members;
  Value key;
  const auto close = [&] {
    if (members.empty()) return;
    Value name = attribute_of(make, members[0], *attribute);
    if (name.is_undefined() && otherwise) name = *otherwise;
    auto group = std::make_shared<List>(Values{name, make.list(std::exchange(members, {}))}, true, &make.budget());
    group->group = true;
    out.push_back(Value(std::shared_ptr<const List>(std::move(group))));
  };
  for (Value& element : sorted(make, elements_of(make, value), attribute, cased, false, otherwise)) {
    const Value now = key_of(make, element, attribute, cased, otherwise);
    if (!members.empty() && !equal(now, key)) close();
    key = now;
    members.push_back(std::move(element));
  }
  close();
  return make.list(std::move(out));
}

Value unique(Maker& make, const Value& value, const Arguments& a) {
  a.check("unique", 2, {"case_sensitive", "attribute"});
  Dict seen(nullptr);
  Values out;
  for (Value& element : elements_of(make, value)) {
    make.budget().step(4);
    const Value key = key_of(make, element, a.get(1, "attribute"), flag(a, 0, "case_sensitive"));
    if (seen.find(key)) continue;
    seen.set(key, Value(true));
    out.push_back(std::move(element));
  }
  return make.list(std::move(out));
}

template <bool largest> Value extreme(Maker& make, const Value& value, const Arguments& a) {
  const Values all = elements_of(make, value);
  if (all.empty()) return {};
  const auto key = [&](const Value& v) { return key_of(make, v, a.get(1, "attribute"), flag(a, 0, "case_sensitive")); };
  std::size_t best = 0;
  for (std::size_t i = 1; i < all.size(); ++i)
    if (largest ? less(key(all[best]), key(all[i])) : less(key(all[i]), key(all[best]))) best = i;
  return all[best];
}

Value sum(Maker& make, const Value& value, const Arguments& a) {
  a.check("sum", 2, {"attribute", "start"});
  const Value* attribute = a.get(0, "attribute");
  const Value* start = a.get(1, "start");
  Value out = start ? *start : Value(std::int64_t{0});
  for (const Value& element : elements_of(make, value))
    out =
        binary(make, "+", out, attribute && !attribute->is_none() ? attribute_of(make, element, *attribute) : element);
  return out;
}

Value batch(Maker& make, const Value& value, const Arguments& a) {
  const std::int64_t size = whole_argument(a, 0, "linecount", 0);
  if (size < 1) refuse("'batch' needs a positive number");
  const Value* fill = a.get(1, "fill_with");
  Values out, row;
  for (const Value& element : elements_of(make, value)) {
    if (static_cast<std::int64_t>(row.size()) == size) out.push_back(make.list(std::exchange(row, {})));
    row.push_back(element);
  }
  if (!row.empty()) {
    if (fill && !fill->is_none()) {
      make.budget().elements(static_cast<std::size_t>(size));
      row.resize(static_cast<std::size_t>(size), *fill);
    }
    out.push_back(make.list(std::move(row)));
  }
  return make.list(std::move(out));
}

Value slice_filter(Maker& make, const Value& value, const Arguments& a) {
  const std::int64_t count = whole_argument(a, 0, "slices", 0);
  if (count < 1) refuse("'slice' needs a positive number");
  make.budget().elements(static_cast<std::size_t>(count));
  const Value* fill = a.get(1, "fill_with");
  const Values all = elements_of(make, value);
  const auto size = static_cast<std::int64_t>(all.size());
  Values out;
  std::int64_t at = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t length = size / count + (i < size % count ? 1 : 0);
    Values part(all.begin() + at, all.begin() + at + length);
    if (fill && !fill->is_none() && i >= size % count) part.push_back(*fill);
    out.push_back(make.list(std::move(part)));
    at += length;
  }
  return make.list(std::move(out));
}

// select, reject, selectattr, rejectattr: the elements that pass a test, or that are true.
Value chosen(Maker& make, const Value& value, const Arguments& a, bool by_attribute, bool wanted) {
  const std::size_t at = by_attribute ? 1 : 0; // where the test's name is
  if (by_attribute && a.list.empty()) refuse("the filter needs an attribute");
  Arguments rest;
  for (std::size_t i = at + 1; i < a.list.size(); ++i)
    rest.list.push_back(a.list[i]);
  Values out;
  for (Value& element : elements_of(make, value)) {
    make.budget().step();
    const Value subject = by_attribute ? attribute_of(make, element, a.list[0]) : element;
    const bool passes =
        a.list.size() > at ? apply_test(make, text_argument(a, at, "", "select"), subject, rest) : truth(subject);
    if (passes == wanted) out.push_back(std::move(element));
  }
  return make.list(std::move(out));
}

// map(attribute="a") or map("filter", arguments ...).
Value mapped(Maker& make, const Value& value, const Arguments& a) {
  const Value* attribute = a.list.empty() ? a.get(99, "attribute") : nullptr;
  const Value* otherwise = a.get(99, "default");
  if (a.list.empty() && !attribute) refuse("'map' needs a filter or an attribute");
  Arguments rest;
  if (!a.list.empty()) rest.list.assign(a.list.begin() + 1, a.list.end());
  if (!attribute) rest.named = a.named;
  Values out;
  for (const Value& element : elements_of(make, value)) {
    make.budget().step();
    if (!attribute) {
      out.push_back(apply_filter(make, text_argument(a, 0, "", "map"), element, rest));
      continue;
    }
    Value found = attribute_of(make, element, *attribute);
    out.push_back(found.is_undefined() && otherwise ? *otherwise : std::move(found));
  }
  return make.list(std::move(out));
}

Value join(Maker& make, const Value& value, const Arguments& a) {
  a.check("join", 2, {"d", "attribute"});
  const Value* given = a.get(0, "d");
  const Value* attribute = a.get(1, "attribute");
  const std::string separator = given ? to_text(*given, make.budget()) : "";
  std::string out;
  bool first = true;
  for (const Value& element : elements_of(make, value)) {
    if (!std::exchange(first, false)) out += separator;
    out +=
        to_text(attribute && !attribute->is_none() ? attribute_of(make, element, *attribute) : element, make.budget());
    make.budget().bytes(out.size());
  }
  return make.text(std::move(out));
}

Value to_json(Maker& make, const Value& value, const Arguments& a) {
  a.check("tojson", 4, {"ensure_ascii", "indent", "separators", "sort_keys"}); // transformers' own, in its order
  JsonStyle style;
  style.ascii = flag(a, 0, "ensure_ascii");
  style.sorted = flag(a, 3, "sort_keys");
  const Value* indent = a.get(1, "indent");
  if (indent && indent->is_text()) style.indent = indent->text();
  if (indent && indent->is_whole())
    style.indent = std::string(static_cast<std::size_t>(std::clamp<std::int64_t>(indent->whole(), 0, 100)), ' ');
  if (style.indent) style.between = std::string(1, ',');
  const Value* separators = a.get(2, "separators");
  if (separators && separators->is_list() && separators->list().items.size() == 2) {
    style.between = to_text(separators->list().items[0], make.budget());
    style.colon = to_text(separators->list().items[1], make.budget());
  }
  return make.text(json_text(make, value, style));
}

Value default_filter(Maker& make, const Value& value, const Arguments& a) {
  a.check("default", 2, {"default_value", "boolean"});
  const Value* otherwise = a.get(0, "default_value");
  const bool keep = flag(a, 1, "boolean") ? truth(value) : !value.is_undefined();
  if (keep) return value;
  return otherwise ? *otherwise : make.text("");
}

std::optional<double> number_in(const std::string& text) {
  std::string trimmed = strip(text, nullptr, true, true);
  trimmed.erase(std::remove(trimmed.begin(), trimmed.end(), '_'), trimmed.end());
  std::string_view view = trimmed;
  if (view.starts_with('+')) view.remove_prefix(1);
  double out = 0;
  const auto read = std::from_chars(view.data(), view.data() + view.size(), out);
  if (view.empty() || read.ec != std::errc() || read.ptr != view.data() + view.size()) return std::nullopt;
  return out;
}

Value int_filter(Maker& make, const Value& value, const Arguments& a) {
  a.check("int", 2, {"default", "base"});
  const Value otherwise(whole_argument(a, 0, "default", 0));
  const std::int64_t base = whole_argument(a, 1, "base", 10);
  (void)make;
  if (value.is_whole()) return Value(value.whole());
  std::optional<double> real;
  if (value.is_real()) real = value.real();
  if (value.is_text()) {
    std::string digits = strip(value.text(), nullptr, true, true);
    const bool negative = digits.starts_with('-');
    if (negative || digits.starts_with('+')) digits.erase(0, 1);
    static const std::map<std::int64_t, std::array<const char*, 2>> prefixes = {
        {16, {"0x", "0X"}}, {8, {"0o", "0O"}}, {2, {"0b", "0B"}}};
    if (const auto known = prefixes.find(base); known != prefixes.end())
      if (digits.starts_with(known->second[0]) || digits.starts_with(known->second[1])) digits.erase(0, 2);
    std::int64_t whole = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), whole,
                                      static_cast<int>(std::clamp<std::int64_t>(base, 2, 36)));
    if (!digits.empty() && read.ec == std::errc() && read.ptr == digits.data() + digits.size())
      return Value(negative ? -whole : whole);
    real = number_in(value.text());
  }
  if (!real || std::abs(*real) > 9e18 || std::isnan(*real)) return otherwise;
  return Value(static_cast<std::int64_t>(*real));
}

Value float_filter(Maker&, const Value& value, const Arguments& a) {
  const Value* given = a.get(0, "default");
  if (value.is_number()) return Value(value.real());
  const auto real = value.is_text() ? number_in(value.text()) : std::nullopt;
  return real ? Value(*real) : given ? *given : Value(0.0);
}

Value round_filter(Maker&, const Value& value, const Arguments& a) {
  a.check("round", 2, {"precision", "method"});
  if (!value.is_number()) refuse("'round' needs a number");
  const std::int64_t precision = std::clamp<std::int64_t>(whole_argument(a, 0, "precision", 0), -300, 300);
  const std::string method = a.get(1, "method") ? text_argument(a, 1, "method", "round") : "common";
  const double scale = std::pow(10.0, static_cast<double>(precision));
  if (method == "ceil") return Value(std::ceil(value.real() * scale) / scale);
  if (method == "floor") return Value(std::floor(value.real() * scale) / scale);
  if (method != "common") refuse("'round' knows common, ceil and floor");
  if (value.is_whole() && precision >= 0) return Value(value.whole());
  if (precision < 0) { // a whole number stays one
    const double rounded = std::nearbyint(value.real() * scale) / scale;
    return value.is_whole() && std::abs(rounded) < 9e18 ? Value(static_cast<std::int64_t>(rounded)) : Value(rounded);
  }
  std::string text(static_cast<std::size_t>(precision) + 350, '\0'); // the nearest, ties to even, as Python's round()
  std::snprintf(text.data(), text.size(), "%.*f", static_cast<int>(precision), value.real());
  return Value(std::strtod(text.c_str(), nullptr));
}

Value abs_filter(Maker&, const Value& value, const Arguments&) {
  if (!value.is_number()) refuse("'abs' needs a number");
  if (value.is_real()) return Value(std::abs(value.real()));
  return value.whole() < 0 ? negative(value) : Value(value.whole());
}

Value indent(Maker& make, const Value& value, const Arguments& a) {
  a.check("indent", 3, {"width", "first", "blank"});
  if (!value.is_text() && !value.is_undefined()) refuse("'indent' needs a text");
  const Value* width = a.get(0, "width");
  std::string by(4, ' ');
  if (width && width->is_text()) by = width->text();
  if (width && width->is_whole())
    by.assign(static_cast<std::size_t>(std::clamp<std::int64_t>(width->whole(), 0, 100'000)), ' ');
  std::vector<std::string> lines = lines_of(to_text(value, make.budget()) + "\n", false);
  const bool blank = flag(a, 2, "blank");
  std::string out = flag(a, 1, "first") ? by : "";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += '\n';
    if (i > 0 && (blank || !lines[i].empty())) out += by;
    out += lines[i];
    if (out.size() > limits::template_bytes) make.budget().bytes(out.size());
  }
  return make.text(std::move(out));
}

// Jinja's own title: words begin after white space, hyphens and opening brackets.
Value title(Maker& make, const Value& value, const Arguments&) {
  const std::string text = to_text(value, make.budget());
  std::string out, word;
  const auto close = [&] { out += capitalized(std::exchange(word, {})); };
  for (const std::string_view character : characters(text)) {
    const char32_t c = first_code_point(character).value;
    const bool border = is_whitespace(c) ||
                        (c < 0x80 && std::string_view("-({[<").find(static_cast<char>(c)) != std::string_view::npos);
    if (border) close();
    (border ? out : word) += character;
  }
  close();
  return make.text(std::move(out));
}

Value truncate(Maker& make, const Value& value, const Arguments& a) {
  a.check("truncate", 4, {"length", "killwords", "end", "leeway"});
  if (!value.is_text() && !value.is_undefined()) refuse("'truncate' needs a text");
  const std::string text = to_text(value, make.budget());
  const auto parts = characters(text);
  const std::string end = a.get(2, "end") ? text_argument(a, 2, "end", "truncate") : "...";
  const std::int64_t length = whole_argument(a, 0, "length", 255);
  const auto tail = static_cast<std::int64_t>(characters(end).size());
  if (length < tail) refuse("'truncate' to less than its end");
  if (static_cast<std::int64_t>(parts.size()) <= length + whole_argument(a, 3, "leeway", 5)) return make.text(text);
  std::string out;
  for (std::int64_t i = 0; i < length - tail; ++i)
    out += parts[static_cast<std::size_t>(i)];
  if (!flag(a, 1, "killwords"))
    if (const std::size_t space = out.rfind(' '); space != std::string::npos) out.resize(space);
  return make.text(out + end);
}

Value center(Maker& make, const Value& value, const Arguments& a) {
  Arguments width;
  width.list = {Value(whole_argument(a, 0, "width", 80))};
  return call_method(make, make.text(to_text(value, make.budget())), "center", width);
}

Value wordcount(Maker& make, const Value& value, const Arguments&) {
  const std::string text = to_text(value, make.budget()); // the characters are views of it
  std::int64_t count = 0;
  bool inside = false;
  for (const std::string_view character : characters(text)) {
    const bool word = is_word(first_code_point(character).value);
    count += word && !inside;
    inside = word;
  }
  return Value(count);
}

Value escape(Maker& make, const Value& value, const Arguments&) {
  std::string out;
  for (const char c : to_text(value, make.budget())) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '\'')
      out += "&#39;";
    else if (c == '"')
      out += "&#34;";
    else
      out += c;
  }
  return make.text(std::move(out));
}

// In a query a space is "+", and "/" is quoted as well.
std::string url_quoted(const std::string& text, bool query) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = std::isalnum(byte) && byte < 0x80;
    constexpr char digits[] = "0123456789ABCDEF";
    if (plain || std::string_view("_.-~").find(c) != std::string_view::npos || (c == '/' && !query))
      out += c;
    else if (c == ' ' && query)
      out += '+';
    else
      ((out += '%') += digits[byte >> 4]) += digits[byte & 15];
  }
  return out;
}

// Encodes a text, or the pairs of a dictionary or list.
Value urlencode(Maker& make, const Value& value, const Arguments&) {
  if (!value.is_dict() && !value.is_list()) return make.text(url_quoted(to_text(value, make.budget()), false));
  Values pairs = value.is_dict() ? Values{} : value.list().items;
  if (value.is_dict())
    for (const auto& [key, member] : value.dict().entries)
      pairs.push_back(make.list({key, member}, true));
  std::string out;
  for (const Value& pair : pairs) {
    const Values two = elements_of(make, pair);
    if (two.size() != 2) refuse("'urlencode' of a list needs pairs");
    if (!out.empty()) out += '&';
    out += url_quoted(to_text(two[0], make.budget()), true) + "=" + url_quoted(to_text(two[1], make.budget()), true);
    make.budget().bytes(out.size());
  }
  return make.text(std::move(out));
}

Value trim(Maker& make, const Value& value, const Arguments& a) {
  return make.text(strip(to_text(value, make.budget()), a.get(0, "chars"), true, true));
}

Value replace(Maker& make, const Value& value, const Arguments& a) {
  const auto part = [&](std::size_t place, const char* name) {
    const Value* given = a.get(place, name);
    if (!given) refuse("'replace' needs two texts");
    return to_text(*given, make.budget());
  };
  return make.text(
      replaced(make, to_text(value, make.budget()), part(0, "old"), part(1, "new"), whole_argument(a, 2, "count", -1)));
}

Value items(Maker& make, const Value& value, const Arguments&) {
  if (value.is_undefined()) return make.list({});
  if (!value.is_dict()) refuse("'items' needs a dictionary");
  return call_method(make, value, "items", {});
}

Value reverse(Maker& make, const Value& value, const Arguments&) {
  if (value.is_text()) return slice_of(make, value, Value(None{}), Value(None{}), Value(std::int64_t{-1}));
  Values out = elements_of(make, value);
  std::reverse(out.begin(), out.end());
  return make.list(std::move(out));
}

Value first(Maker& make, const Value& value, const Arguments&) {
  const Values all = elements_of(make, value);
  return all.empty() ? Value(Undefined{"the first item"}) : all.front();
}
Value last(Maker& make, const Value& value, const Arguments&) {
  const Values all = elements_of(make, value);
  return all.empty() ? Value(Undefined{"the last item"}) : all.back();
}

Value format(Maker& make, const Value& value, const Arguments& a) {
  if (!a.named.empty()) {
    const auto names = make.dict();
    for (const auto& [key, given] : a.named)
      names->set(make.text(key), given);
    return make.text(percent_format(make, to_text(value, make.budget()), Maker::dict(names)));
  }
  return make.text(percent_format(make, to_text(value, make.budget()), make.list(a.list, true)));
}

Value attr(Maker& make, const Value& value, const Arguments& a) {
  const std::string& name = text_argument(a, 0, "name", "attr");
  if (value.is_object()) return value.object().attribute(name);
  (void)make;
  return Value(Undefined{name});
}

const std::map<std::string_view, Filter>& filters() {
  static const std::map<std::string_view, Filter> all = {
      {"abs", abs_filter},
      {"attr", attr},
      {"batch", batch},
      {"capitalize",
       [](Maker& m, const Value& v, const Arguments&) { return m.text(capitalized(to_text(v, m.budget()))); }},
      {"center", center},
      {"count",
       [](Maker&, const Value& v, const Arguments&) { return Value(static_cast<std::int64_t>(length_of(v))); }},
      {"d", default_filter},
      {"default", default_filter},
      {"dictsort", dictsort},
      {"e", escape},
      {"escape", escape},
      {"first", first},
      {"float", float_filter},
      {"forceescape", escape},
      {"format", format},
      {"groupby", groupby},
      {"indent", indent},
      {"int", int_filter},
      {"items", items},
      {"join", join},
      {"last", last},
      {"length",
       [](Maker&, const Value& v, const Arguments&) { return Value(static_cast<std::int64_t>(length_of(v))); }},
      {"list", [](Maker& m, const Value& v, const Arguments&) { return m.list(elements_of(m, v)); }},
      {"lower", [](Maker& m, const Value& v, const Arguments&) { return m.text(lower(to_text(v, m.budget()))); }},
      {"map", mapped},
      {"max", extreme<true>},
      {"min", extreme<false>},
      {"reject", [](Maker& m, const Value& v, const Arguments& a) { return chosen(m, v, a, false, false); }},
      {"rejectattr", [](Maker& m, const Value& v, const Arguments& a) { return chosen(m, v, a, true, false); }},
      {"replace", replace},
      {"reverse", reverse},
      {"round", round_filter},
      {"safe", [](Maker& m, const Value& v, const Arguments&) { return m.text(to_text(v, m.budget())); }},
      {"select", [](Maker& m, const Value& v, const Arguments& a) { return chosen(m, v, a, false, true); }},
      {"selectattr", [](Maker& m, const Value& v, const Arguments& a) { return chosen(m, v, a, true, true); }},
      {"slice", slice_filter},
      {"sort", sort_filter},
      {"string", [](Maker& m, const Value& v, const Arguments&) { return m.text(to_text(v, m.budget())); }},
      {"sum", sum},
      {"title", title},
      {"tojson", to_json},
      {"trim", trim},
      {"truncate", truncate},
      {"unique", unique},
      {"upper", [](Maker& m, const Value& v, const Arguments&) { return m.text(upper(to_text(v, m.budget()))); }},
      {"urlencode", urlencode},
      {"wordcount", wordcount},
  };
  return all;
}

} // namespace

bool is_filter(std::string_view name) {
  // Jinja filters that are not supported count as undefined, so that a template can test for them.
  return filters().contains(name);
}

Value apply_filter(Maker& make, const std::string& name, const Value& value, const Arguments& arguments) {
  const auto found = filters().find(name);
  if (found == filters().end()) throw Failure{ErrorCode::unsupported, "the filter '" + name + "' is not supported"};
  count_through(value);
  return found->second(make, value, arguments);
}

} // namespace headscope::text::jinja
