// SPDX-License-Identifier: GPL-3.0-or-later
// Reads fields of JSON that others wrote, with errors that name the file and the field. Private to plugins/host.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "core/base/result.h"

namespace headscope::plugin {

// Reads a JSON file. Returns not_found or io for the file, corrupt for text that is not JSON.
Result<nlohmann::json> read_json(const std::string& file);
Status write_json(const std::string& file, const nlohmann::json& json);

class JsonFields {
public:
  // `json` must outlive this object. `prefix` is put before field names in errors: "abi."
  JsonFields(const nlohmann::json& json, std::string file, std::string prefix = {})
      : json_(json), file_(std::move(file)), prefix_(std::move(prefix)) {}

  bool has(const std::string& name) const { return json_.is_object() && json_.contains(name); }
  Result<std::string> text(const std::string& name) const;
  Result<std::int64_t> integer(const std::string& name) const;
  Result<double> number(const std::string& name) const;
  Result<JsonFields> object(const std::string& name) const;

  // Reads a field that may be missing.
  Result<std::string> text_or(const std::string& name, const std::string& otherwise) const;
  Result<double> number_or(const std::string& name, double otherwise) const;

  Error wrong(const std::string& name, const std::string& message) const;

private:
  Result<const nlohmann::json*> find(const std::string& name) const;

  const nlohmann::json& json_;
  std::string file_, prefix_;
};

} // namespace headscope::plugin
