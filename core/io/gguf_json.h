// SPDX-License-Identifier: GPL-3.0-or-later
// Turns a metadata value into JSON, for listings and configurations.
#pragma once

#include <cmath>

#include "core/io/gguf.h"
#include "core/io/utf8.h"

namespace headscope {

inline nlohmann::json number_json(double value, GgufFile::NumberArray::Kind kind) {
  if (kind == GgufFile::NumberArray::Kind::boolean) return value != 0;
  // Integers beyond 2^63 cannot be represented exactly anyway.
  if (kind == GgufFile::NumberArray::Kind::integer && std::abs(value) < 0x1p63) return static_cast<std::int64_t>(value);
  return value;
}

struct GgufJson {
  std::size_t array_limit;

  nlohmann::json operator()(std::string_view text) const { return io::readable_utf8(text); }
  nlohmann::json operator()(const GgufFile::Nested& nested) const { return *nested; }
  nlohmann::json operator()(const std::vector<std::string_view>& texts) const {
    if (texts.size() >= array_limit) return {{"length", texts.size()}};
    nlohmann::json list = nlohmann::json::array();
    for (const std::string_view text : texts)
      list.push_back(io::readable_utf8(text));
    return list;
  }
  nlohmann::json operator()(const GgufFile::NumberArray& numbers) const {
    if (numbers.values.size() >= array_limit) return {{"length", numbers.values.size()}};
    nlohmann::json list = nlohmann::json::array();
    for (const double value : numbers.values)
      list.push_back(number_json(value, numbers.kind));
    return list;
  }
  template <typename Scalar> nlohmann::json operator()(Scalar value) const { return value; }
};

} // namespace headscope
