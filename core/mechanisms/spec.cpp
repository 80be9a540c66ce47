// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/spec.h"

#include <algorithm>
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

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts(1);
  for (const char c : text)
    if (c == at)
      parts.emplace_back();
    else
      parts.back() += c;
  return parts;
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

// Reads "k=512,window=128".
Result<OptionValues> parse_options(const MechanismDefinition& definition, const std::string& text) {
  OptionValues values = defaults_of(definition);
  std::set<std::string> given;
  for (const std::string& part : split(text, ',')) {
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos) return bad("'" + part + "' is no option; write NAME=VALUE", definition.info.id);
    const std::string name = part.substr(0, equals);
    const auto& options = definition.info.options;
    const auto option =
        std::find_if(options.begin(), options.end(), [&](const auto& each) { return name == each.name; });
    if (option == options.end()) {
      std::vector<std::string> names;
      for (const MechanismOption& each : options)
        names.emplace_back(each.name);
      return bad(std::string(definition.info.id) + " has no option '" + name + "'" +
                     (names.empty() ? std::string() : "; it has " + or_list(names)),
                 name);
    }
    HS_ASSIGN(OptionValue value, parse_value(*option, part.substr(equals + 1)));
    values.set(name, std::move(value));
    if (!given.insert(name).second) return bad("is given twice", name);
  }
  return values;
}

// Reads "layers=4-29" or "heads=18.6,17.3".
Result<std::string> parse_where(const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::string field = text.substr(0, equals);
  if (equals == std::string::npos || (field != "layers" && field != "heads"))
    return bad("'@" + text + "' says no place; write @layers=4-29 or @heads=18.6,17.3");
  const std::string where = text.substr(equals + 1);
  if (where.empty()) return bad("names nothing", field);
  if (field == "layers" && where.find_first_of(".hH:") != std::string::npos)
    return bad("'" + where + "' names heads; write @heads=" + where, field);
  return where;
}

// Makes the mechanism. A file that cannot be read is a fault of the option that names it.
Result<std::shared_ptr<const Mechanism>> make_of(const MechanismDefinition& definition, const OptionValues& values) {
  auto made = definition.make(values);
  if (made.ok()) return made;
  const Error& error = made.error();
  for (const MechanismOption& option : definition.info.options)
    if (option.is_file && (error.field.empty() || (!error.file.empty() && error.file == values.text(option.name))))
      return make_error(ErrorCode::invalid_argument, (error.field.empty() ? "" : error.field + " ") + error.message,
                        error.file, option.name);
  return made;
}

Result<MechanismSpec> parse_spec(const std::string& text, const MechanismList& list) {
  MechanismSpec spec;
  spec.text = text;
  const std::size_t at = text.find('@');
  const std::string what = text.substr(0, at), id = what.substr(0, what.find(':'));
  spec.definition = list.find(id);
  if (!spec.definition) return bad(list.why_missing(id));
  OptionValues values = defaults_of(*spec.definition);
  if (what.size() > id.size()) {
    HS_ASSIGN(values, parse_options(*spec.definition, what.substr(id.size() + 1)));
  }
  HS_ASSIGN(spec.mechanism, make_of(*spec.definition, values));
  for (const MechanismOption& option : spec.definition->info.options)
    if (option.is_file && !values.text(option.name).empty()) spec.files.push_back(values.text(option.name));
  spec.where = "all";
  if (at != std::string::npos) {
    HS_ASSIGN(spec.where, parse_where(text.substr(at + 1)));
  }
  return spec;
}

} // namespace

OptionValues defaults_of(const MechanismDefinition& definition) {
  OptionValues values;
  for (const MechanismOption& option : definition.info.options)
    values.set(option.name, option.value);
  return values;
}

std::string joined_specs(const std::vector<std::string>& specs) {
  std::string text;
  for (const std::string& spec : specs)
    text += (text.empty() ? "" : ";") + spec;
  return text;
}

std::vector<std::string> ids_of(const std::string& plan) {
  std::vector<std::string> ids;
  for (const std::string& spec : split(plan, ';'))
    ids.push_back(spec.substr(0, spec.find_first_of(":@")));
  return ids;
}

PlanFiles files_of(const std::string& plan, const MechanismList& list) {
  PlanFiles files;
  const auto specs = parse_specs(plan, list);
  if (!specs.ok()) return files;
  for (const MechanismSpec& spec : *specs) {
    files.options.insert(files.options.end(), spec.files.begin(), spec.files.end());
    const std::string& module = spec.definition->module;
    if (!module.empty() && std::find(files.modules.begin(), files.modules.end(), module) == files.modules.end())
      files.modules.push_back(module);
  }
  return files;
}

Result<std::vector<MechanismSpec>> parse_specs(const std::string& text, const MechanismList& list) {
  std::vector<MechanismSpec> specs;
  for (const std::string& part : split(text, ';')) {
    auto spec = parse_spec(part, list);
    if (!spec.ok()) {
      const Error& error = spec.error();
      return make_error(ErrorCode::invalid_argument,
                        (error.field.empty() ? "" : error.field + " ") + error.message + " (in '" + part + "')",
                        error.file, error.field);
    }
    specs.push_back(std::move(*spec));
  }
  return specs;
}

} // namespace headscope::mechanisms
