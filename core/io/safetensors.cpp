// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/safetensors.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <set>
#include <unordered_set>

#include <nlohmann/json.hpp>

#include "core/base/limits.h"
#include "core/base/partial_file.h"
#include "core/io/tensor_layout.h"
#include "core/io/utf8.h"

namespace headscope::io {
namespace {

using nlohmann::json;

constexpr std::uint64_t longest_header = 100'000'000; // as in the format's own library

constexpr std::size_t most_tensors = std::size_t{1} << 18; // of one file; published ones have some thousand
constexpr std::size_t most_axes = 64;

bool known_key(const std::string& key) { return key == "dtype" || key == "shape" || key == "data_offsets"; }

// Follows the header's JSON as it is parsed and keeps only the tensors' fields, so that time and memory grow linearly
// with its length. The first problem ends the parsing and is kept.
class HeaderReader {
public:
  HeaderReader(std::uint64_t data_begin, const std::string& path) : data_begin_(data_begin), path_(path) {}

  std::vector<TensorInfo> take_tensors() { return std::move(tensors_); }
  std::map<std::string, std::string> take_metadata() { return std::move(metadata_); }
  const std::optional<Error>& error() const { return error_; }

  // Callbacks of nlohmann::json::sax_parse().
  bool null() { return depth_ == 1 && in_metadata() ? true : other(); } // "__metadata__": null is none
  bool boolean(bool) { return other(); }
  bool number_integer(json::number_integer_t) { return other(); }
  bool number_unsigned(json::number_unsigned_t value);
  bool number_float(json::number_float_t, const std::string&) { return other(); }
  bool string(std::string& text);
  bool binary(json::binary_t&) { return other(); }
  bool key(std::string& name);
  bool start_object(std::size_t);
  bool end_object();
  bool start_array(std::size_t);
  bool end_array();
  bool parse_error(std::size_t, const std::string&, const json::exception&) {
    return fail(ErrorCode::corrupt, "is no JSON object", "header");
  }

private:
  bool fail(ErrorCode code, const std::string& message, const std::string& field) {
    if (!error_) error_ = make_error(code, message, path_, field);
    return false;
  }
  bool bad(const std::string& message) { return fail(ErrorCode::corrupt, message, name_); }
  bool in_metadata() const { return name_ == "__metadata__"; }
  // Handles a value of a kind that is allowed only in unknown fields.
  bool other();
  bool finish_tensor();

  std::uint64_t data_begin_;
  const std::string& path_;
  std::optional<Error> error_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
  std::unordered_set<std::string> names_;
  std::set<std::string> keys_; // of the entry
  int depth_ = 0;              // objects and lists that are open
  std::string name_, key_;     // of the entry and in it
  TensorInfo info_;
  std::vector<std::uint64_t> offsets_;
};

bool HeaderReader::start_object(std::size_t) {
  if (++depth_ > limits::nesting) return bad("is nested too deeply");
  if (depth_ != 2) return depth_ == 1 || in_metadata() || !known_key(key_) || other();
  info_ = {};
  offsets_.clear();
  keys_.clear();
  return true;
}

bool HeaderReader::end_object() {
  if (depth_-- != 2 || in_metadata()) return true;
  return finish_tensor();
}

bool HeaderReader::start_array(std::size_t) {
  if (++depth_ > limits::nesting) return bad("is nested too deeply");
  if (depth_ == 1) return fail(ErrorCode::corrupt, "is no JSON object", "header");
  if (depth_ == 2)
    return bad(in_metadata() ? "must be an object of strings" : "must have dtype, shape and data_offsets");
  if (depth_ == 3 && key_ == "dtype" && !in_metadata()) return bad("its dtype is no string");
  if (depth_ > 3 && known_key(key_) && !in_metadata()) return other();
  return true;
}

bool HeaderReader::end_array() {
  --depth_;
  return true;
}

bool HeaderReader::key(std::string& name) {
  if (depth_ == 1) {
    name_ = std::move(name);
    key_.clear();
    if (names_.size() >= most_tensors)
      return fail(ErrorCode::corrupt, "has more than " + std::to_string(most_tensors) + " tensors", "header");
    if (!names_.insert(name_).second) return bad("appears twice");
  } else if (depth_ == 2) {
    key_ = std::move(name);
    if (!keys_.insert(key_).second) return fail(ErrorCode::corrupt, "appears twice", key_);
  }
  return true;
}

bool HeaderReader::string(std::string& text) {
  if (depth_ == 2 && in_metadata()) {
    metadata_[key_] = std::move(text);
    return true;
  }
  if (depth_ == 2 && key_ == "dtype") {
    info_.dtype = std::move(text);
    return true;
  }
  return other();
}

bool HeaderReader::number_unsigned(json::number_unsigned_t value) {
  if (depth_ != 3 || in_metadata()) return other();
  if (key_ == "shape") {
    if (value > (std::uint64_t{1} << 60)) return other();
    info_.shape.push_back(static_cast<std::int64_t>(value));
    return info_.shape.size() <= most_axes || bad("its shape has too many sizes");
  }
  if (key_ != "data_offsets") return true;
  offsets_.push_back(value);
  return offsets_.size() <= 2 || other();
}

bool HeaderReader::other() {
  if (depth_ == 0) return fail(ErrorCode::corrupt, "is no JSON object", "header");
  if (depth_ == 1)
    return bad(in_metadata() ? "must be an object of strings" : "must have dtype, shape and data_offsets");
  if (in_metadata() || !known_key(key_)) return true;
  if (key_ == "dtype") return bad("its dtype is no string");
  return bad(key_ == "shape" ? "its shape must be a list of sizes" : "its data_offsets must be two numbers");
}

bool HeaderReader::finish_tensor() {
  for (const char* key : {"dtype", "shape", "data_offsets"})
    if (!keys_.contains(key)) return bad("must have dtype, shape and data_offsets");
  if (offsets_.size() != 2) return bad("its data_offsets must be two numbers");
  const std::uint64_t begin = offsets_[0], end = offsets_[1];
  if (end < begin || end > (std::uint64_t{1} << 60)) return bad("its data_offsets are out of order");
  std::uint64_t elements = 0;
  if (!count_elements(info_.shape, elements)) return bad("its shape is implausibly large");
  info_.bytes = end - begin;
  const std::size_t element = safetensors_element_bytes(info_.dtype); // 0: reported when the tensor is read
  if (element != 0 && elements * element != info_.bytes)
    return bad("its shape needs " + std::to_string(elements * element) + " bytes, its data_offsets give " +
               std::to_string(info_.bytes));
  info_.offset = data_begin_ + begin;
  info_.name = name_;
  tensors_.push_back(std::move(info_));
  return true;
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
  const std::uint64_t data_begin = 8 + length;
  const auto header = bytes.subspan(8, length);
  HeaderReader reader(data_begin, path);
  json::sax_parse(header.begin(), header.end(), &reader);
  if (reader.error()) return *reader.error();
  file.tensors_ = reader.take_tensors();
  file.metadata_ = reader.take_metadata();
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
