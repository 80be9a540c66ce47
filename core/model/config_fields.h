// SPDX-License-Identifier: GPL-3.0-or-later
// Reads the fields of a model's config. The first problem is kept and every later call is harmless, so that
// a family's description reads as a list of fields; ask status() at the end.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/base/result.h"

namespace headscope {

// Spellings of one field, in the order in which they are looked for.
using Keys = std::initializer_list<const char*>;

class ConfigFields {
public:
  ConfigFields(const nlohmann::json& json, std::string file) : json_(&json), file_(std::move(file)) {}

  std::int64_t integer(Keys keys); // required
  std::int64_t integer(Keys keys, std::int64_t otherwise);
  double number(Keys keys, double otherwise);
  bool flag(Keys keys, bool otherwise);
  std::string string(Keys keys, const std::string& otherwise);
  std::optional<std::int64_t> optional_integer(Keys keys); // absent or null: nothing
  std::optional<double> optional_number(Keys keys);
  std::vector<std::string> strings(const char* key); // absent: empty

  // An object inside; absent or null: an empty one. Problems found in it are this one's.
  const nlohmann::json& object(Keys keys) const;
  bool has(const char* key) const;

  void fail(ErrorCode code, const std::string& message, const std::string& field);
  const std::string& file() const { return file_; }
  Status status() const;

private:
  const nlohmann::json* find(Keys keys, std::string& name) const;

  const nlohmann::json* json_;
  std::string file_;
  std::optional<Error> error_;
};

} // namespace headscope
