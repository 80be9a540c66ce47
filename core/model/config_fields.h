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

// Spellings of one field, in the order in which they are tried.
using Keys = std::initializer_list<const char*>;

class ConfigFields {
public:
  // `prefix` names the object that holds the fields, with a dot after it; empty: the config itself.
  ConfigFields(const nlohmann::json& json, std::string file, std::string prefix = {})
      : json_(&json), file_(std::move(file)), prefix_(std::move(prefix)) {}

  std::int64_t integer(Keys keys); // required
  std::int64_t integer(Keys keys, std::int64_t otherwise);
  double number(Keys keys, double otherwise);
  // The largest size of a tensor's axis, small enough that the product of two does not overflow; the least is 1.
  static constexpr std::int64_t largest_size = std::int64_t{1} << 24;
  std::int64_t size(Keys keys);
  std::int64_t size(Keys keys, std::int64_t otherwise);
  double positive(Keys keys, double otherwise);
  double not_negative(Keys keys, double otherwise);
  bool flag(Keys keys, bool otherwise);
  std::string string(Keys keys, const std::string& otherwise);
  std::optional<std::int64_t> optional_integer(Keys keys); // absent or null: nothing
  std::optional<double> optional_number(Keys keys);
  // Returns `otherwise` where the field is absent, and nothing where it is null, which transformers writes for "none".
  std::optional<std::int64_t> size_or_null(Keys keys, std::optional<std::int64_t> otherwise);
  std::optional<double> positive_or_null(Keys keys, std::optional<double> otherwise);
  std::vector<std::string> strings(const char* key); // absent: empty

  // The fields of a nested object, none where it is absent or null. Pass them to adopt(), or their problems are lost.
  ConfigFields inside(const char* key);
  void adopt(const ConfigFields& inner);
  bool empty() const { return json_->empty(); }
  const nlohmann::json& json() const { return *json_; }
  bool has(const char* key) const;

  void fail(ErrorCode code, const std::string& message, const std::string& field);
  const std::string& file() const { return file_; }
  Status status() const;

private:
  const nlohmann::json* find(Keys keys, std::string& name) const;
  bool mentions(Keys keys) const; // null or not
  void require(bool holds, const std::string& rule, Keys keys);

  const nlohmann::json* json_;
  std::string file_;
  std::string prefix_;
  std::optional<Error> error_;
};

} // namespace headscope
