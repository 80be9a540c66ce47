// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/forms/option_text.h"

#include <charconv>
#include <type_traits>

namespace headscope::gui {
namespace {

using methods::ChoiceTarget;
using methods::Option;

std::string trimmed(const std::string& text) {
  const char* const blank = " \t\n\r";
  const auto begin = text.find_first_not_of(blank);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

template <typename T> std::string digits_of(T value) {
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  return {buffer, end.ptr};
}

Error bad_text(const Option& option, std::string what) {
  return make_error(ErrorCode::invalid_argument, std::move(what), {}, option.flag());
}

template <typename T> Result<T> parse_number(const Option& option, const std::string& text) {
  const std::string word = trimmed(text);
  T value{};
  const auto end = std::from_chars(word.data(), word.data() + word.size(), value);
  if (end.ec == std::errc::result_out_of_range) return bad_text(option, "'" + word + "' is too large");
  if (!word.empty() && end.ec == std::errc{} && end.ptr == word.data() + word.size()) return value;
  std::string kind = "a number";
  if (std::is_integral_v<T>) kind = std::is_signed_v<T> ? "a whole number" : "a whole number from 0";
  return bad_text(option, (word.empty() ? "must be " + kind : "'" + word + "' is not " + kind));
}

std::vector<std::string> pieces_of(const std::string& text, char separator) {
  std::vector<std::string> pieces;
  std::size_t begin = 0;
  for (std::size_t end = text.find(separator); end != std::string::npos; end = text.find(separator, begin)) {
    pieces.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  pieces.push_back(text.substr(begin));
  return pieces;
}

std::string joined(const std::vector<std::string>& pieces, char separator) {
  std::string text;
  for (std::size_t i = 0; i < pieces.size(); ++i)
    text.append(i ? 1 : 0, separator).append(pieces[i]);
  return text;
}

struct TextOf {
  const Option& option;

  std::string operator()(const bool* value) const { return *value ? "true" : "false"; }
  std::string operator()(const std::string* value) const { return *value; }
  std::string operator()(const std::optional<std::int64_t>* value) const {
    return *value ? digits_of(**value) : std::string();
  }
  std::string operator()(const ChoiceTarget& value) const { return value.get(); }
  std::string operator()(const std::vector<std::string>* values) const {
    return joined(*values, parted_by_commas(option) ? ',' : '\n');
  }
  template <typename T> std::string operator()(const std::vector<T>* values) const {
    std::vector<std::string> pieces;
    for (const T value : *values)
      pieces.push_back(digits_of(value));
    return joined(pieces, ',');
  }
  template <typename T> std::string operator()(const T* value) const { return digits_of(*value); }
};

struct SetFrom {
  const Option& option;
  const std::string& text;

  Status operator()(bool* value) const {
    *value = text == "true";
    if (*value || text == "false") return {};
    return bad_text(option, "must be true or false, not '" + text + "'");
  }
  Status operator()(std::string* value) const {
    *value = text;
    return {};
  }
  Status operator()(std::optional<std::int64_t>* value) const {
    value->reset();
    if (trimmed(text).empty()) return {};
    HS_ASSIGN(*value, parse_number<std::int64_t>(option, text));
    return {};
  }
  Status operator()(const ChoiceTarget& value) const {
    const Status status = value.set(text);
    if (status.ok()) return {};
    return bad_text(option, status.error().message);
  }
  Status operator()(std::vector<std::string>* values) const {
    values->clear();
    const bool commas = parted_by_commas(option);
    for (const std::string& piece : pieces_of(text, commas ? ',' : '\n')) {
      std::string element = commas ? trimmed(piece) : piece; // a space before a token is part of it
      if (!element.empty()) values->push_back(std::move(element));
    }
    return {};
  }
  template <typename T> Status operator()(std::vector<T>* values) const {
    values->clear();
    if (trimmed(text).empty()) return {};
    for (const std::string& piece : pieces_of(text, ',')) {
      HS_ASSIGN(const T value, parse_number<T>(option, piece));
      values->push_back(value);
    }
    return {};
  }
  template <typename T> Status operator()(T* value) const {
    HS_ASSIGN(*value, parse_number<T>(option, text));
    return {};
  }
};

} // namespace

bool parted_by_commas(const Option& option) {
  const auto& target = option.target;
  return option.comma || std::holds_alternative<std::vector<std::int64_t>*>(target) ||
         std::holds_alternative<std::vector<double>*>(target);
}

std::string number_text(double value) { return digits_of(value); }

std::string option_text(const Option& option) { return std::visit(TextOf{option}, option.target); }

std::vector<std::string> option_words(const Option& option) {
  const auto* texts = std::get_if<std::vector<std::string>*>(&option.target);
  if (texts && !parted_by_commas(option)) return **texts;
  return {option_text(option)};
}

Status set_option(const Option& option, const std::string& text) {
  return std::visit(SetFrom{option, text}, option.target);
}

} // namespace headscope::gui
