// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/config_fields.h"

#include <algorithm>
#include <cmath>

namespace headscope {
namespace {

const nlohmann::json& empty_object() {
  static const nlohmann::json value = nlohmann::json::object();
  return value;
}

constexpr const char* size_rule = "a whole number from 1 to 16777216";

std::string spelled(Keys keys) {
  std::string text;
  for (const char* key : keys)
    text += (text.empty() ? "" : " or ") + std::string(key);
  return text;
}

} // namespace

const nlohmann::json* ConfigFields::find(Keys keys, std::string& name) const {
  for (const char* key : keys) {
    const auto it = json_->find(key);
    if (it == json_->end() || it->is_null()) continue;
    name = key;
    return &*it;
  }
  return nullptr;
}

void ConfigFields::fail(ErrorCode code, const std::string& message, const std::string& field) {
  if (!error_) error_ = make_error(code, message, file_, prefix_ + field);
}

Status ConfigFields::status() const {
  if (error_) return *error_;
  return {};
}

std::optional<std::int64_t> ConfigFields::optional_integer(Keys keys) {
  std::string name;
  const nlohmann::json* value = find(keys, name);
  if (!value) return std::nullopt;
  if (value->is_number_integer()) return value->get<std::int64_t>();
  const double number = value->is_number_float() ? value->get<double>() : std::nan("");
  if (std::abs(number) < 9e15 && number == std::floor(number)) return static_cast<std::int64_t>(number);
  fail(ErrorCode::corrupt, "must be a whole number, is " + value->dump().substr(0, 40), name);
  return std::nullopt;
}

std::optional<double> ConfigFields::optional_number(Keys keys) {
  std::string name;
  const nlohmann::json* value = find(keys, name);
  if (!value) return std::nullopt;
  if (value->is_number()) return value->get<double>();
  fail(ErrorCode::corrupt, "must be a number, is " + value->dump().substr(0, 40), name);
  return std::nullopt;
}

std::int64_t ConfigFields::integer(Keys keys) {
  const auto value = optional_integer(keys);
  if (!value) fail(ErrorCode::corrupt, "is missing", spelled(keys));
  return value.value_or(0);
}

std::int64_t ConfigFields::integer(Keys keys, std::int64_t otherwise) {
  return optional_integer(keys).value_or(otherwise);
}

bool ConfigFields::mentions(Keys keys) const {
  return std::any_of(keys.begin(), keys.end(), [&](const char* key) { return json_->contains(key); });
}

void ConfigFields::require(bool holds, const std::string& rule, Keys keys) {
  std::string name;
  const nlohmann::json* value = find(keys, name);
  if (value && !holds) fail(ErrorCode::corrupt, "must be " + rule + ", is " + value->dump().substr(0, 40), name);
}

std::int64_t ConfigFields::size(Keys keys) {
  const std::int64_t value = integer(keys);
  require(value >= 1 && value <= largest_size, size_rule, keys);
  return value;
}

std::int64_t ConfigFields::size(Keys keys, std::int64_t otherwise) {
  return size_or_null(keys, otherwise).value_or(otherwise);
}

std::optional<std::int64_t> ConfigFields::size_or_null(Keys keys, std::optional<std::int64_t> otherwise) {
  const auto value = optional_integer(keys);
  if (!value) return mentions(keys) ? std::nullopt : otherwise;
  require(*value >= 1 && *value <= largest_size, size_rule, keys);
  return value;
}

std::optional<double> ConfigFields::positive_or_null(Keys keys, std::optional<double> otherwise) {
  const auto value = optional_number(keys);
  if (!value) return mentions(keys) ? std::nullopt : otherwise;
  require(*value > 0.0 && std::isfinite(*value), "a positive number", keys);
  return value;
}

double ConfigFields::positive(Keys keys, double otherwise) {
  return positive_or_null(keys, otherwise).value_or(otherwise);
}

double ConfigFields::not_negative(Keys keys, double otherwise) {
  const double value = number(keys, otherwise);
  require(value >= 0.0 && std::isfinite(value), "a number of at least 0", keys);
  return value;
}

double ConfigFields::number(Keys keys, double otherwise) { return optional_number(keys).value_or(otherwise); }

bool ConfigFields::flag(Keys keys, bool otherwise) {
  std::string name;
  const nlohmann::json* value = find(keys, name);
  if (!value) return otherwise;
  if (value->is_boolean()) return value->get<bool>();
  fail(ErrorCode::corrupt, "must be true or false, is " + value->dump().substr(0, 40), name);
  return otherwise;
}

std::string ConfigFields::string(Keys keys, const std::string& otherwise) {
  std::string name;
  const nlohmann::json* value = find(keys, name);
  if (!value) return otherwise;
  if (value->is_string()) return value->get<std::string>();
  fail(ErrorCode::corrupt, "must be a string, is " + value->dump().substr(0, 40), name);
  return otherwise;
}

std::vector<std::string> ConfigFields::strings(const char* key) {
  std::vector<std::string> list;
  std::string name;
  const nlohmann::json* value = find({key}, name);
  if (!value) return list;
  if (!value->is_array()) {
    fail(ErrorCode::corrupt, "must be a list of strings", name);
    return list;
  }
  for (const nlohmann::json& item : *value) {
    if (item.is_string())
      list.push_back(item.get<std::string>());
    else
      fail(ErrorCode::corrupt, "must be a list of strings", name);
  }
  return list;
}

ConfigFields ConfigFields::inside(const char* key) {
  std::string name;
  const nlohmann::json* value = find({key}, name);
  if (value && !value->is_object()) {
    fail(ErrorCode::corrupt, "must be an object, is " + value->dump().substr(0, 40), key);
    value = nullptr;
  }
  return {value ? *value : empty_object(), file_, prefix_ + key + "."};
}

void ConfigFields::adopt(const ConfigFields& inner) {
  if (!error_) error_ = inner.error_;
}

bool ConfigFields::has(const char* key) const {
  std::string name;
  return find({key}, name) != nullptr;
}

} // namespace headscope
