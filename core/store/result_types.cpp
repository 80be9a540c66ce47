// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/store/result_types.h"

#include <algorithm>

#include "core/store/part_name.h"

namespace headscope::store {

const AttributeValue* find_attribute(const Attributes& attributes, const std::string& name) {
  for (const Attribute& attribute : attributes) {
    if (attribute.name == name) return &attribute.value;
  }
  return nullptr;
}

std::string text_attribute(const Attributes& attributes, const std::string& name) {
  const AttributeValue* value = find_attribute(attributes, name);
  const auto* text = value ? std::get_if<std::string>(value) : nullptr;
  return text ? *text : std::string();
}

const char* to_string(DType dtype) {
  switch (dtype) {
  case DType::float16: return "float16";
  case DType::float32: return "float32";
  case DType::float64: return "float64";
  case DType::int32: return "int32";
  case DType::int64: return "int64";
  case DType::uint8: return "uint8";
  case DType::string: return "string";
  case DType::other: break;
  }
  return "other";
}

std::string evidence_path(const std::string& detector, const std::string& name) {
  return "/detectors/" + detector + "/evidence/" + name;
}

Status check_part_name(const std::string& name, const std::string& file, const std::string& field) {
  const bool control =
      std::any_of(name.begin(), name.end(), [](char c) { return c == '\0' || c == '\n' || c == '\r'; });
  if (!name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos && !control) return {};
  return make_error(ErrorCode::invalid_argument, "a name may not be empty, '.' or '..' or hold '/', NUL or a line feed",
                    file, field);
}

} // namespace headscope::store
