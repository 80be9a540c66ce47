// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/safetensors.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <set>

#include <nlohmann/json.hpp>

#include "core/base/partial_file.h"
#include "core/io/tensor_layout.h"
#include "core/io/utf8.h"

namespace headscope::io {
namespace {

using nlohmann::json;

constexpr std::uint64_t longest_header = 100'000'000; // as in the format's own library

// Parses, refusing an object that names a key twice (JSON leaves that open; here it would hide a tensor).
Result<json> parse_header(std::span<const std::uint8_t> text, const std::string& path) {
  std::vector<std::set<std::string>> keys;
  std::string repeated;
  const auto watch = [&](int, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second)
      repeated = parsed.get<std::string>();
    return true;
  };
  json header = json::parse(text.begin(), text.end(), watch, /*allow_exceptions=*/false);
  if (header.is_discarded() || !header.is_object())
    return make_error(ErrorCode::corrupt, "is no JSON object", path, "header");
  if (!repeated.empty()) return make_error(ErrorCode::corrupt, "appears twice", path, repeated);
  return header;
}

bool read_shape(const json& value, std::vector<std::int64_t>& shape) {
  if (!value.is_array()) return false;
  for (const json& size : value) {
    if (!size.is_number_unsigned()) return false;
    if (size.get<std::uint64_t>() > (std::uint64_t{1} << 60)) return false;
    shape.push_back(size.get<std::int64_t>());
  }
  return true;
}

Result<TensorInfo> read_tensor(const std::string& name, const json& entry, std::uint64_t data_begin,
                               const std::string& path) {
  const auto bad = [&](const std::string& message) { return make_error(ErrorCode::corrupt, message, path, name); };
  if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") || !entry.contains("data_offsets"))
    return bad("must have dtype, shape and data_offsets");
  if (!entry["dtype"].is_string()) return bad("its dtype is no string");
  TensorInfo info;
  info.name = name;
  info.dtype = entry["dtype"].get<std::string>();
  const std::size_t element = safetensors_element_bytes(info.dtype);
  if (element == 0) return make_error(ErrorCode::unsupported, "dtype " + info.dtype + " is not supported", path, name);
  if (!read_shape(entry["shape"], info.shape)) return bad("its shape must be a list of sizes");
  const json& offsets = entry["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned())
    return bad("its data_offsets must be two numbers");
  const auto begin = offsets[0].get<std::uint64_t>(), end = offsets[1].get<std::uint64_t>();
  if (end < begin || end > (std::uint64_t{1} << 60)) return bad("its data_offsets are out of order");
  std::uint64_t elements = 0;
  if (!count_elements(info.shape, elements)) return bad("its shape is implausibly large");
  info.bytes = end - begin;
  if (elements * element != info.bytes)
    return bad("its shape needs " + std::to_string(elements * element) + " bytes, its data_offsets give " +
               std::to_string(info.bytes));
  info.offset = data_begin + begin;
  return info;
}

} // namespace

std::size_t safetensors_element_bytes(const std::string& dtype) {
  if (dtype == "F64" || dtype == "I64" || dtype == "U64") return 8;
  if (dtype == "F32" || dtype == "I32" || dtype == "U32") return 4;
  if (dtype == "F16" || dtype == "BF16" || dtype == "I16" || dtype == "U16") return 2;
  if (dtype == "I8" || dtype == "U8" || dtype == "BOOL") return 1;
  return 0;
}

Result<SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  HS_ASSIGN(MappedFile mapped, MappedFile::open(path));
  SafetensorsFile file(std::move(mapped));
  const auto bytes = file.file_.bytes();
  if (bytes.size() < 8)
    return make_error(ErrorCode::corrupt,
                      "has " + std::to_string(bytes.size()) + " bytes, too few for safetensors; it is truncated", path);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  if (length > longest_header)
    return make_error(ErrorCode::corrupt, "is " + std::to_string(length) + " bytes long; this is no safetensors file",
                      path, "header length");
  if (length > bytes.size() - 8)
    return make_error(ErrorCode::corrupt, "the header goes past the end of the file; it is truncated", path,
                      "header length");
  HS_ASSIGN(const json header, parse_header(bytes.subspan(8, length), path));
  const std::uint64_t data_begin = 8 + length;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      if (!entry.is_object()) return make_error(ErrorCode::corrupt, "must be an object of strings", path, name);
      for (const auto& [key, value] : entry.items())
        if (value.is_string()) file.metadata_[key] = value.get<std::string>();
      continue;
    }
    HS_ASSIGN(TensorInfo info, read_tensor(name, entry, data_begin, path));
    file.tensors_.push_back(std::move(info));
  }
  HS_TRY(check_tensor_layout(file.tensors_, data_begin, bytes.size(), true, path));
  return file;
}

Status write_safetensors(const std::string& path, const std::vector<TensorToWrite>& tensors,
                         const std::map<std::string, std::string>& metadata) {
  json header = json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const TensorToWrite& tensor : tensors) {
    std::uint64_t elements = 0;
    if (readable_utf8(tensor.name) != tensor.name || tensor.name == "__metadata__")
      return make_error(ErrorCode::invalid_argument, "is no name that safetensors allows", path,
                        readable_utf8(tensor.name));
    if (header.contains(tensor.name) || !count_elements(tensor.shape, elements) ||
        elements * safetensors_element_bytes(tensor.dtype) != tensor.bytes.size())
      return make_error(ErrorCode::invalid_argument,
                        "its bytes are not those of its shape and dtype, or it is there twice", path, tensor.name);
    header[tensor.name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + tensor.bytes.size()}}};
    offset += tensor.bytes.size();
  }
  std::string text = header.dump(-1, ' ', false, json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t length = text.size();
  HS_ASSIGN(PartialFile file, PartialFile::create(path, true));
  HS_TRY(file.append({reinterpret_cast<const char*>(&length), sizeof length}));
  HS_TRY(file.append(text));
  for (const TensorToWrite& tensor : tensors)
    HS_TRY(file.append({reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()}));
  return file.publish(true);
}

} // namespace headscope::io
