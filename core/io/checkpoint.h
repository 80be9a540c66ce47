// SPDX-License-Identifier: GPL-3.0-or-later
// A model's files, GGUF or safetensors, behind one interface: configuration, tensors by name, values as floats.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/base/result.h"
#include "core/base/run_control.h"
#include "core/base/workers.h"
#include "core/io/gguf.h"
#include "core/io/safetensors.h"
#include "core/io/tensor_info.h"

namespace headscope {

namespace io {
enum class ElementType { f32, bf16, f16 };

// Rows [begin, end) of a tensor's first axis.
struct RowRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};
} // namespace io

class Checkpoint {
public:
  // Opens a .gguf file, or any of the parts that gguf-split made of one; a folder with config.json and *.safetensors,
  // single or sharded with an index; or one .safetensors file beside its config.json. Errors name the file and the
  // field.
  static Result<Checkpoint> open(const std::string& path);

  const std::string& path() const { return path_; }     // as given
  const std::string& folder() const { return folder_; } // where config.json and tokenizer are; GGUF: the file's
  const char* format() const { return gguf() ? "gguf" : "safetensors"; }
  // Returns null for safetensors; for a file in parts the first, which has the metadata.
  const GgufFile* gguf() const { return gguf_.empty() ? nullptr : gguf_.front().get(); }

  // The content of config.json; for GGUF the metadata, without arrays of 4096 elements or more (the vocabulary).
  const nlohmann::json& config() const { return config_; }

  const std::vector<io::TensorInfo>& tensors() const { return tensors_; }
  const io::TensorInfo* find(const std::string& name) const; // null: none of that name
  std::int64_t total_bytes() const;                          // of all tensors, as stored
  std::string quantisation() const;                          // the type that most bytes are stored in
  bool quantised() const;                                    // some tensor is stored in blocks

  // Reads all elements, or those of some rows, dequantised and converted straight into `out`; pages of the file are
  // released once read. Returns corrupt, naming the tensor and the element, when it holds NaN or infinity; unsupported
  // for a value that `type` cannot hold. `row_order` says where each of these rows goes; empty: the file's order.
  Status read(const std::string& name, void* out, io::ElementType type, Workers& workers,
              std::optional<io::RowRange> rows = std::nullopt, std::vector<std::int64_t> row_order = {}) const;

  // For a GGUF file, the SHA-256 of its bytes. For a folder, the SHA-256 of the lines "NAME  SHA256\n" of config.json
  // and the weight files, in the order of their names; for a GGUF file in parts, those of the parts. Reads every byte
  // of the files as opened, whatever has been renamed since.
  Result<std::string> identity_sha256(const RunControl& control) const;
  // Returns corrupt when a weight file has been written to since it was opened.
  Status check_unchanged() const;
  // The file that holds the tensor.
  const io::MappedFile& file_of(const io::TensorInfo& tensor) const;

private:
  static Result<Checkpoint> open_gguf(const std::string& path);
  static Result<Checkpoint> open_safetensors(const std::string& path, const std::string& folder,
                                             const std::vector<std::string>& files);
  static Result<Checkpoint> open_folder(const std::string& folder);
  Status read_config();
  Status add_part(GgufFile file);
  std::vector<const io::MappedFile*> files() const;

  std::string path_, folder_;
  nlohmann::json config_;
  std::string config_sha256_; // of config.json as it was read
  std::vector<std::shared_ptr<const GgufFile>> gguf_;
  std::vector<std::shared_ptr<const io::SafetensorsFile>> shards_;
  std::vector<io::TensorInfo> tensors_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
};

} // namespace headscope
