// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/host/python/answer.h"

#include <algorithm>
#include <limits>

#include "core/store/part_name.h"
#include "plugins/host/json_fields.h"
#include "plugins/host/manifest.h"

namespace headscope::plugin {
namespace {

// Reads [layer][head] of numbers or null.
Result<std::vector<float>> head_values(const nlohmann::json& json, const ModelConfig& config, const JsonFields& fields,
                                       const std::string& name) {
  const Error wrong = fields.wrong(name, "must be " + std::to_string(config.n_layers) + " lists of " +
                                             std::to_string(config.n_heads) + " numbers or null, one list a layer");
  if (!json.is_array() || static_cast<std::int64_t>(json.size()) != config.n_layers) return wrong;
  std::vector<float> values;
  for (const nlohmann::json& row : json) {
    if (!row.is_array() || static_cast<std::int64_t>(row.size()) != config.n_heads) return wrong;
    for (const nlohmann::json& value : row) {
      if (!value.is_number() && !value.is_null()) return wrong;
      values.push_back(value.is_null() ? std::numeric_limits<float>::quiet_NaN() : value.get<float>());
    }
  }
  return values;
}

Result<store::Attributes> read_findings(const nlohmann::json& json, const JsonFields& fields) {
  if (!json.is_object()) return fields.wrong("findings", "must be an object");
  store::Attributes findings;
  for (const auto& [name, value] : json.items()) {
    if (const Status usable = store::check_part_name(name); !usable.ok())
      return fields.wrong("findings", "has one called '" + name + "': " + usable.error().message);
    if (value.is_boolean())
      findings.push_back({name, value.get<bool>()});
    else if (value.is_number_integer())
      findings.push_back({name, value.get<std::int64_t>()});
    else if (value.is_number())
      findings.push_back({name, value.get<double>()});
    else if (value.is_string())
      findings.push_back({name, value.get<std::string>()});
    else
      return fields.wrong("findings." + name, "must be a number, a text, true or false");
  }
  return findings;
}

// Reads a column of one kind: integers, numbers, or texts.
Result<store::Column> read_column(const std::string& name, const nlohmann::json& values, const JsonFields& fields) {
  const auto all = [&](auto test) { return std::all_of(values.begin(), values.end(), test); };
  store::Column column{name, {}, "1", name};
  if (!values.is_array()) return fields.wrong(name, "must be a list");
  if (all([](const nlohmann::json& v) { return v.is_number_integer(); }))
    column.values = values.get<std::vector<std::int64_t>>();
  else if (all([](const nlohmann::json& v) { return v.is_number(); }))
    column.values = values.get<std::vector<double>>();
  else if (all([](const nlohmann::json& v) { return v.is_string(); }))
    column.values = values.get<std::vector<std::string>>();
  else
    return fields.wrong(name, "must be all numbers or all texts");
  return column;
}

Result<DetectorResult::NamedTable> read_table(const std::string& name, const nlohmann::json& json,
                                              const JsonFields& fields) {
  if (!json.is_object() || json.empty()) return fields.wrong("tables." + name, "must be an object of columns");
  if (!is_id(name))
    return fields.wrong("tables", "the name '" + name + "' must be of lower-case letters, digits, - and _");
  DetectorResult::NamedTable table{name, {}};
  for (const auto& [column_name, values] : json.items()) {
    if (const Status usable = store::check_part_name(column_name); !usable.ok())
      return fields.wrong("tables." + name, "has a column called '" + column_name + "': " + usable.error().message);
    HS_ASSIGN(store::Column column, read_column(column_name, values, fields));
    if (values.size() != json.begin()->size())
      return fields.wrong("tables." + name, "has columns of different lengths");
    table.table.columns.push_back(std::move(column));
  }
  return table;
}

Status read_maps(const nlohmann::json& json, const ModelConfig& config, const JsonFields& fields,
                 DetectorResult& result) {
  if (!json.is_object()) return fields.wrong("maps", "must be an object of score maps");
  for (const auto& [name, values] : json.items()) {
    if (!is_id(name))
      return fields.wrong("maps", "the name '" + name + "' must be of lower-case letters, digits, - and _");
    ScoreMap map;
    map.name = name;
    map.description = name;
    HS_ASSIGN(map.values, head_values(values, config, fields, "maps." + name));
    result.maps.push_back(std::move(map));
  }
  return {};
}

} // namespace

Result<DetectorResult> read_answer(const nlohmann::json& json, const ModelConfig& config, const std::string& script) {
  const JsonFields fields(json, script);
  if (!json.is_object()) return make_error(ErrorCode::corrupt, "the answer must be a JSON object", script);
  if (!json.contains("scores")) return fields.wrong("scores", "is missing");
  DetectorResult result;
  result.n_layers = config.n_layers;
  result.n_heads = config.n_heads;
  HS_ASSIGN(result.scores, head_values(json.at("scores"), config, fields, "scores"));
  HS_ASSIGN(result.description, fields.text_or("description", ""));
  HS_ASSIGN(result.message, fields.text_or("message", ""));
  if (json.contains("maps")) HS_TRY(read_maps(json.at("maps"), config, fields, result));
  if (json.contains("findings")) {
    HS_ASSIGN(result.findings, read_findings(json.at("findings"), fields));
  }
  if (!json.contains("tables")) return result;
  if (!json.at("tables").is_object()) return fields.wrong("tables", "must be an object of tables");
  for (const auto& [name, table] : json.at("tables").items()) {
    HS_ASSIGN(auto read, read_table(name, table, fields));
    result.tables.push_back(std::move(read));
  }
  return result;
}

} // namespace headscope::plugin
