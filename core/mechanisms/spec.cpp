// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/spec.h"

#include <algorithm>

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
