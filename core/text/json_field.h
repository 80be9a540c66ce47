// SPDX-License-Identifier: GPL-3.0-or-later
// Reads JSON values by type, with errors that name the file and the field.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace headscope::text {

// A value inside a JSON document, which must outlive it.
class JsonField {
public:
  JsonField(const nlohmann::json& node, std::string file, std::string path = {})
      : node_(&node), file_(std::move(file)), path_(std::move(path)) {}

  const nlohmann::json& node() const { return *node_; }
  const std::string& file() const { return file_; }

  bool has(const char* key) const; // there and not null
  Result<JsonField> at(const char* key) const;
  Result<JsonField> at(std::size_t index) const;
  Result<std::size_t> array_size() const; // corrupt unless it is a list
  Status expect_object() const;

  Result<std::string> string() const;
  Result<std::string> string(const char* key) const;
  Result<std::string> string(const char* key, std::string otherwise) const; // when it is not there or null
  Result<std::int64_t> integer() const;
  Result<std::int64_t> integer(const char* key) const;
  Result<double> number() const;
  Result<bool> boolean(const char* key, bool otherwise) const;

  Error error(ErrorCode code, std::string message) const;
  // Returns the error with this file and field where it has none.
  Error locate(Error error) const;

private:
  Error wrong_type(const char* expected) const;

  const nlohmann::json* node_;
  std::string file_;
  std::string path_;
};

} // namespace headscope::text
