// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/json_field.h"

#include <utility>

namespace headscope::text {

bool JsonField::has(const char* key) const {
  if (!node_->is_object()) return false;
  const auto found = node_->find(key);
  return found != node_->end() && !found->is_null();
}

Result<JsonField> JsonField::at(const char* key) const {
  HS_TRY(expect_object());
  const std::string path = path_.empty() ? key : path_ + "." + key;
  const auto found = node_->find(key);
  if (found == node_->end() || found->is_null()) return make_error(ErrorCode::corrupt, "is missing", file_, path);
  return JsonField(*found, file_, path);
}

Result<JsonField> JsonField::at(std::size_t index) const {
  HS_ASSIGN(const std::size_t size, array_size());
  const std::string path = path_ + "[" + std::to_string(index) + "]";
  if (index >= size) return make_error(ErrorCode::corrupt, "is missing", file_, path);
  return JsonField((*node_)[index], file_, path);
}

Result<std::size_t> JsonField::array_size() const {
  if (!node_->is_array()) return wrong_type("a list");
  return node_->size();
}

Status JsonField::expect_object() const {
  if (!node_->is_object()) return wrong_type("an object");
  return {};
}

Result<std::string> JsonField::string() const {
  if (!node_->is_string()) return wrong_type("a string");
  return node_->get_ref<const std::string&>();
}

Result<std::string> JsonField::string(const char* key) const {
  HS_ASSIGN(const JsonField field, at(key));
  return field.string();
}

Result<std::string> JsonField::string(const char* key, std::string otherwise) const {
  if (!has(key)) return otherwise;
  return string(key);
}

Result<std::int64_t> JsonField::integer() const {
  if (!node_->is_number_integer()) return wrong_type("an integer");
  if (node_->is_number_unsigned() && node_->get<std::uint64_t>() > INT64_MAX) return wrong_type("a 63-bit integer");
  return node_->get<std::int64_t>();
}

Result<std::int64_t> JsonField::integer(const char* key) const {
  HS_ASSIGN(const JsonField field, at(key));
  return field.integer();
}

Result<double> JsonField::number() const {
  if (!node_->is_number()) return wrong_type("a number");
  return node_->get<double>();
}

Result<bool> JsonField::boolean(const char* key, bool otherwise) const {
  if (!has(key)) return otherwise;
  HS_ASSIGN(const JsonField field, at(key));
  if (!field.node().is_boolean()) return field.wrong_type("true or false");
  return field.node().get<bool>();
}

Error JsonField::error(ErrorCode code, std::string message) const {
  return make_error(code, std::move(message), file_, path_);
}

Error JsonField::locate(Error error) const {
  if (error.file.empty()) error.file = file_;
  if (error.field.empty()) error.field = path_;
  return error;
}

Error JsonField::wrong_type(const char* expected) const {
  return error(ErrorCode::corrupt, std::string("should be ") + expected + " but is " + node_->type_name());
}

} // namespace headscope::text
