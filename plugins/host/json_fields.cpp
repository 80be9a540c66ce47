// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/host/json_fields.h"

#include "core/base/json_text.h"
#include "core/base/partial_file.h"

namespace headscope::plugin {

Result<nlohmann::json> read_json(const std::string& file) { return read_json_file(file); }

Status write_json(const std::string& file, const nlohmann::json& json) {
  return write_file(file, json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n", true);
}

Error JsonFields::wrong(const std::string& name, const std::string& message) const {
  return make_error(ErrorCode::corrupt, message, file_, prefix_ + name);
}

Result<const nlohmann::json*> JsonFields::find(const std::string& name) const {
  if (!json_.is_object()) return make_error(ErrorCode::corrupt, "must hold a JSON object", file_);
  const auto it = json_.find(name);
  if (it == json_.end()) return wrong(name, "is missing");
  return &*it;
}

Result<std::string> JsonFields::text(const std::string& name) const {
  HS_ASSIGN(const nlohmann::json* value, find(name));
  if (!value->is_string()) return wrong(name, "must be a text");
  return value->get<std::string>();
}

Result<std::int64_t> JsonFields::integer(const std::string& name) const {
  HS_ASSIGN(const nlohmann::json* value, find(name));
  if (!value->is_number_integer()) return wrong(name, "must be a whole number");
  return value->get<std::int64_t>();
}

Result<double> JsonFields::number(const std::string& name) const {
  HS_ASSIGN(const nlohmann::json* value, find(name));
  if (!value->is_number()) return wrong(name, "must be a number");
  return value->get<double>();
}

Result<JsonFields> JsonFields::object(const std::string& name) const {
  HS_ASSIGN(const nlohmann::json* value, find(name));
  if (!value->is_object()) return wrong(name, "must be an object");
  return JsonFields(*value, file_, prefix_ + name + ".");
}

Result<std::string> JsonFields::text_or(const std::string& name, const std::string& otherwise) const {
  if (!has(name)) return otherwise;
  return text(name);
}

Result<double> JsonFields::number_or(const std::string& name, double otherwise) const {
  if (!has(name)) return otherwise;
  return number(name);
}

} // namespace headscope::plugin
