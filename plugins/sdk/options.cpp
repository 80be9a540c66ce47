// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/sdk/options.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace headscope {
namespace {

Error refused(const OptionSpec& spec, const std::string& text, const std::string& wanted) {
  return make_error(ErrorCode::invalid_argument, "must be " + wanted + ", not '" + text + "'", {}, spec.name);
}

template <typename T> bool parse_number(const std::string& text, T& value) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  return result.ec == std::errc{} && result.ptr == end;
}

Result<OptionValue> parse(const OptionSpec& spec, const std::string& text) {
  if (std::holds_alternative<bool>(spec.standard)) {
    if (text == "true" || text == "on" || text == "yes" || text == "1") return OptionValue(true);
    if (text == "false" || text == "off" || text == "no" || text == "0") return OptionValue(false);
    return refused(spec, text, "on or off");
  }
  if (std::holds_alternative<std::int64_t>(spec.standard)) {
    std::int64_t value = 0;
    if (!parse_number(text, value)) return refused(spec, text, "a whole number");
    if (static_cast<double>(value) < spec.least)
      return refused(spec, text, "at least " + std::to_string(static_cast<std::int64_t>(spec.least)));
    return OptionValue(value);
  }
  if (std::holds_alternative<double>(spec.standard)) {
    double value = 0;
    if (!parse_number(text, value) || !(value > -1e300 && value < 1e300)) return refused(spec, text, "a number");
    if (value < spec.least) return refused(spec, text, "at least " + std::to_string(spec.least));
    return OptionValue(value);
  }
  if (!spec.allowed.empty() && std::find(spec.allowed.begin(), spec.allowed.end(), text) == spec.allowed.end()) {
    std::string list;
    for (const std::string& item : spec.allowed)
      list += (list.empty() ? "one of " : ", ") + item;
    return refused(spec, text, list);
  }
  return OptionValue(text);
}

} // namespace

bool names_file(const OptionSpec& spec, const std::string& value) {
  return spec.file && !value.empty() && std::find(spec.words.begin(), spec.words.end(), value) == spec.words.end();
}

Error at_option(const Error& error, const std::string& option) {
  return make_error(error.code, error.message, error.file, option + (error.field.empty() ? "" : ": " + error.field));
}

Status OptionSet::set(const std::string& name, const std::string& text) {
  std::string known;
  for (const OptionSpec& spec : specs_) {
    known += (known.empty() ? "" : ", ") + spec.name;
    if (spec.name != name) continue;
    HS_ASSIGN(OptionValue parsed, parse(spec, text));
    set_[name] = std::move(parsed);
    return {};
  }
  return make_error(ErrorCode::not_found, "there is no such option; there are " + known, {}, name);
}

const OptionValue& OptionSet::value(const std::string& name) const {
  if (const auto it = set_.find(name); it != set_.end()) return it->second;
  for (const OptionSpec& spec : specs_)
    if (spec.name == name) return spec.standard;
  throw std::logic_error("a detector asked for the option '" + name + "', which it does not declare");
}

store::Attributes OptionSet::attributes() const {
  store::Attributes attributes;
  for (const OptionSpec& spec : specs_) {
    store::Attribute attribute;
    attribute.name = spec.name;
    std::visit([&](const auto& held) { attribute.value = held; }, value(spec.name));
    attributes.push_back(std::move(attribute));
  }
  return attributes;
}

} // namespace headscope
