// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/spec.h"

#include <algorithm>

#include "core/base/or_list.h"

namespace headscope::mechanisms {
namespace {

Error bad(std::string what, std::string field = {}) {
  return make_error(ErrorCode::invalid_argument, std::move(what), {}, std::move(field));
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
  if (made.ok() || !made.error().field.empty()) return made;
  for (const MechanismOption& option : definition.info.options)
    if (option.is_file) return bad(made.error().message, option.name);
  return made;
}

Result<MechanismSpec> parse_spec(const std::string& text) {
  MechanismSpec spec;
  spec.text = text;
  const std::size_t at = text.find('@');
  const std::string what = text.substr(0, at), id = what.substr(0, what.find(':'));
  spec.definition = find_mechanism(id);
  if (!spec.definition) {
    std::vector<std::string> ids;
    for (const MechanismDefinition* each : all_mechanisms())
      ids.emplace_back(each->info.id);
    return bad("'" + id + "' is no mechanism; there are " + or_list(ids));
  }
  const std::vector<MechanismOption>& options = spec.definition->info.options;
  OptionValues values = defaults_of(options);
  if (what.size() > id.size()) {
    HS_ASSIGN(values, parse_options(id, options, what.substr(id.size() + 1)));
  }
  HS_ASSIGN(spec.mechanism, make_of(*spec.definition, values));
  for (const MechanismOption& option : options)
    if (option.is_file && !values.text(option.name).empty()) spec.files.push_back(values.text(option.name));
  spec.where = "all";
  if (at != std::string::npos) {
    HS_ASSIGN(spec.where, parse_where(text.substr(at + 1)));
  }
  return spec;
}

} // namespace

std::vector<std::string> files_of(const std::string& plan) {
  std::vector<std::string> files;
  const auto specs = parse_specs(plan);
  if (!specs.ok()) return files;
  for (const MechanismSpec& spec : *specs)
    files.insert(files.end(), spec.files.begin(), spec.files.end());
  return files;
}

bool names_mechanism(const std::string& text) { return find_mechanism(text.substr(0, text.find_first_of(":@;"))); }

Result<std::vector<MechanismSpec>> parse_specs(const std::string& text) {
  std::vector<MechanismSpec> specs;
  for (const std::string& part : split(text, ';')) {
    auto spec = parse_spec(part);
    if (!spec.ok()) {
      const Error& error = spec.error();
      return bad((error.field.empty() ? "" : error.field + " ") + error.message + " (in '" + part + "')", error.field);
    }
    specs.push_back(std::move(*spec));
  }
  return specs;
}

} // namespace headscope::mechanisms
