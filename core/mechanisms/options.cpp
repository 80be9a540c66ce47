// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>

#include "core/base/or_list.h"

namespace headscope::mechanisms {
namespace {

constexpr std::int64_t most = std::int64_t{1} << 40; // of any number, so that sums of them do not overflow

Error bad(std::string what, std::string field = {}) {
  return make_error(ErrorCode::invalid_argument, std::move(what), {}, std::move(field));
}

Result<OptionValue> parse_choice(const MechanismOption& option, const std::string& text) {
  const auto found = std::find(option.choices.begin(), option.choices.end(), text);
  if (found != option.choices.end()) return OptionValue(std::int64_t{found - option.choices.begin()});
  const std::vector<std::string> names(option.choices.begin(), option.choices.end());
  return bad("must be " + or_list(names) + ", not '" + text + "'", option.name);
}

template <typename Number> Result<OptionValue> parse_number(const MechanismOption& option, const std::string& text) {
  constexpr bool whole = std::is_integral_v<Number>;
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() ||
      !std::isfinite(static_cast<double>(value)))
    return bad(std::string("must be a ") + (whole ? "whole number" : "number") + ", not '" + text + "'", option.name);
  const double least = option.least, top = whole ? std::min(option.most, static_cast<double>(most)) : option.most;
  if (static_cast<double>(value) < least) return bad("must be at least " + number_text(least), option.name);
  if (static_cast<double>(value) > top) return bad("must be at most " + number_text(top), option.name);
  return OptionValue(value);
}

Result<OptionValue> parse_value(const MechanismOption& option, const std::string& text) {
  switch (option.kind()) {
  case OptionKind::choice: return parse_choice(option, text);
  case OptionKind::text: return OptionValue(text);
  case OptionKind::number: return parse_number<double>(option, text);
  case OptionKind::whole: return parse_number<std::int64_t>(option, text);
  }
  return OptionValue(text);
}

} // namespace

std::string number_text(double value) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

std::string default_text(const MechanismOption& option) {
  switch (option.kind()) {
  case OptionKind::whole: return std::to_string(std::get<std::int64_t>(option.value));
  case OptionKind::number: return number_text(std::get<double>(option.value));
  case OptionKind::choice: return option.choices[static_cast<std::size_t>(std::get<std::int64_t>(option.value))];
  case OptionKind::text: break;
  }
  return std::get<std::string>(option.value);
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts(1);
  for (const char c : text)
    if (c == at)
      parts.emplace_back();
    else
      parts.back() += c;
  return parts;
}

OptionValues defaults_of(const std::vector<MechanismOption>& options) {
  OptionValues values;
  for (const MechanismOption& option : options)
    values.set(option.name, option.value);
  return values;
}

Result<OptionValues> parse_options(const std::string& id, const std::vector<MechanismOption>& options,
                                   const std::string& text) {
  OptionValues values = defaults_of(options);
  std::set<std::string> given;
  for (const std::string& part : split(text, ',')) {
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos) return bad("'" + part + "' is no option; write NAME=VALUE", id);
    const std::string name = part.substr(0, equals);
    const auto option =
        std::find_if(options.begin(), options.end(), [&](const auto& each) { return name == each.name; });
    if (option == options.end()) {
      std::vector<std::string> names;
      for (const MechanismOption& each : options)
        names.emplace_back(each.name);
      return bad(id + " has no option '" + name + "'" + (names.empty() ? std::string() : "; it has " + or_list(names)),
                 name);
    }
    HS_ASSIGN(OptionValue value, parse_value(*option, part.substr(equals + 1)));
    values.set(name, std::move(value));
    if (!given.insert(name).second) return bad("is given twice", name);
  }
  return values;
}

} // namespace headscope::mechanisms
