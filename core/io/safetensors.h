// SPDX-License-Identifier: GPL-3.0-or-later
// The safetensors format (https://huggingface.co/docs/safetensors): a JSON header, then the tensors' bytes.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/io/mapped_file.h"
#include "core/io/tensor_info.h"

namespace headscope::io {

// The bytes of one element of a safetensors dtype ("F32", "BF16", …); 0: unknown.
std::size_t safetensors_element_bytes(const std::string& dtype);

class SafetensorsFile {
public:
  // Returns corrupt for anything that the format does not allow: lengths, JSON, duplicate names, shapes, overlaps,
  // holes.
  static Result<SafetensorsFile> open(const std::string& path);

  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const MappedFile& file() const { return file_; }
  std::span<const std::uint8_t> bytes(const TensorInfo& tensor) const {
    return file_.bytes().subspan(tensor.offset, tensor.bytes);
  }

private:
  explicit SafetensorsFile(MappedFile file) : file_(std::move(file)) {}
  MappedFile file_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
};

struct TensorToWrite {
  std::string name;
  std::string dtype; // "F32", "I64", …
  std::vector<std::int64_t> shape;
  std::span<const std::uint8_t> bytes;
};

// Writes the file beside `path` and renames it, so that it appears whole or not at all. An existing file is replaced.
Status write_safetensors(const std::string& path, const std::vector<TensorToWrite>& tensors,
                         const std::map<std::string, std::string>& metadata = {});

} // namespace headscope::io
