// SPDX-License-Identifier: GPL-3.0-or-later
// GGUF files, versions 2 and 3, little-endian
// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/base/result.h"
#include "core/io/mapped_file.h"
#include "core/io/tensor_info.h"
#include "kernels/quant_type.h"

namespace headscope {

class GgufFile {
public:
  // Returns corrupt for anything that the format does not allow, unsupported for a version, byte order or tensor type
  // that Headscope does not read; the error names the field.
  static Result<GgufFile> open(const std::string& path);

  const std::string& path() const { return file_.path(); }
  std::uint32_t version() const { return version_; }
  const io::MappedFile& file() const { return file_; }

  // ---- Metadata: nothing is returned when the key is absent or of another kind. Views live as long as the file.
  bool has(std::string_view key) const { return metadata_.find(key) != metadata_.end(); }
  std::optional<std::string_view> string(std::string_view key) const;
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const; // integers too
  std::optional<bool> flag(std::string_view key) const;
  const std::vector<std::string_view>* strings(std::string_view key) const;
  const std::vector<double>* numbers(std::string_view key) const; // an array of any numbers

  std::vector<std::string_view> keys() const; // sorted

  // All metadata in valid UTF-8; arrays of `array_limit` elements or more (the vocabulary) become {"length": n}.
  nlohmann::json metadata_json(std::size_t array_limit = 4096) const;

  // ---- Tensors: shapes are row-major, i.e. GGUF's dimensions reversed.
  const std::vector<io::TensorInfo>& tensors() const { return tensors_; }
  kernels::QuantType type(const io::TensorInfo& tensor) const;

  struct NumberArray {
    std::vector<double> values; // integers beyond 2^53 lose their last digits
    enum class Kind { integer, real, boolean } kind = Kind::real;
  };
  using Nested = std::shared_ptr<nlohmann::json>; // an array of arrays, which no tokenizer or config here reads
  using Value = std::variant<std::uint64_t, std::int64_t, double, bool, std::string_view, std::vector<std::string_view>,
                             NumberArray, Nested>;

private:
  explicit GgufFile(io::MappedFile file) : file_(std::move(file)) {}
  friend class GgufParser;

  io::MappedFile file_;
  std::uint32_t version_ = 0;
  std::map<std::string, Value, std::less<>> metadata_;
  std::vector<io::TensorInfo> tensors_;
};

} // namespace headscope
