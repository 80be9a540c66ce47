// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/store/result_types.h"

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

std::string head_label(HeadIndex head) { return std::to_string(head.layer) + "." + std::to_string(head.head); }

std::string evidence_path(const std::string& detector, const std::string& name) {
  return "/detectors/" + detector + "/evidence/" + name;
}

} // namespace headscope::store
