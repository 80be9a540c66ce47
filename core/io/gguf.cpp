// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/gguf.h"

#include "core/io/gguf_json.h"

namespace headscope {
namespace {

template <typename T>
const T* value_as(const std::map<std::string, GgufFile::Value, std::less<>>& metadata, std::string_view key) {
  const auto it = metadata.find(key);
  return it == metadata.end() ? nullptr : std::get_if<T>(&it->second);
}

} // namespace

std::optional<std::string_view> GgufFile::string(std::string_view key) const {
  const auto* value = value_as<std::string_view>(metadata_, key);
  if (!value) return std::nullopt;
  return *value;
}

std::optional<std::int64_t> GgufFile::integer(std::string_view key) const {
  if (const auto* value = value_as<std::int64_t>(metadata_, key)) return *value;
  const auto* value = value_as<std::uint64_t>(metadata_, key);
  if (!value || *value > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

std::optional<double> GgufFile::number(std::string_view key) const {
  if (const auto* value = value_as<double>(metadata_, key)) return *value;
  if (const auto value = integer(key)) return static_cast<double>(*value);
  return std::nullopt;
}

std::optional<bool> GgufFile::flag(std::string_view key) const {
  const auto* value = value_as<bool>(metadata_, key);
  if (!value) return std::nullopt;
  return *value;
}

const std::vector<std::string_view>* GgufFile::strings(std::string_view key) const {
  return value_as<std::vector<std::string_view>>(metadata_, key);
}

const std::vector<double>* GgufFile::numbers(std::string_view key) const {
  const auto* array = value_as<NumberArray>(metadata_, key);
  return array ? &array->values : nullptr;
}

std::vector<std::string_view> GgufFile::keys() const {
  std::vector<std::string_view> keys;
  for (const auto& [key, value] : metadata_)
    keys.emplace_back(key);
  return keys;
}

nlohmann::json GgufFile::metadata_json(std::size_t array_limit) const {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [key, value] : metadata_)
    json[key] = std::visit(GgufJson{array_limit}, value);
  return json;
}

kernels::QuantType GgufFile::type(const io::TensorInfo& tensor) const {
  for (std::uint32_t type = 0; type <= 30; ++type) {
    const auto* layout = kernels::quant_layout(type);
    if (layout && tensor.dtype == layout->name) return static_cast<kernels::QuantType>(type);
  }
  return kernels::QuantType::f32; // not reached: the parser refuses other types
}

} // namespace headscope
