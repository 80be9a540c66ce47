// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/base/json_text.h"
#include "core/base/log.h"
#include "core/base/sha256.h"
#include "core/base/text_file.h"
#include "core/io/gguf_parts.h"
#include "core/io/read_tensor.h"

namespace headscope {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* index_name = "model.safetensors.index.json";

struct WeightFiles {
  std::vector<std::string> paths;
  std::string index;                        // the path of the index, or empty
  std::map<std::string, std::string> shard; // of each tensor that the index lists: its file's name
};

Result<WeightFiles> files_of_index(const fs::path& base) {
  WeightFiles files;
  files.index = (base / index_name).string();
  HS_ASSIGN(const json index, read_json_object(files.index));
  if (!index.contains("weight_map") || !index["weight_map"].is_object() || index["weight_map"].empty())
    return make_error(ErrorCode::corrupt, "must be an object of tensor names and files", files.index, "weight_map");
  std::set<std::string> names;
  for (const auto& [tensor, file] : index["weight_map"].items()) {
    const std::string name = fs::path(file.is_string() ? file.get<std::string>() : "").lexically_normal().string();
    const fs::path inside(name);
    if (name.empty() || name == "." || inside.is_absolute() || *inside.begin() == ".." || !inside.has_filename())
      return make_error(ErrorCode::corrupt, "must name a file inside the folder", files.index, "weight_map." + tensor);
    files.shard[tensor] = name;
    names.insert(name);
  }
  std::error_code error;
  for (const std::string& name : names) {
    if (!fs::exists(base / name, error))
      return make_error(ErrorCode::not_found, "names " + name + ", which is missing", files.index, "weight_map");
    files.paths.push_back((base / name).string());
  }
  return files;
}

Result<WeightFiles> weight_files(const std::string& folder) {
  const fs::path base(folder);
  std::error_code error;
  const bool indexed = fs::exists(base / index_name, error);
  WeightFiles files;
  if (fs::exists(base / "model.safetensors", error)) {
    files.paths = {(base / "model.safetensors").string()};
    if (indexed)
      log::warning(folder + ": has model.safetensors and " + index_name +
                   "; the former is read, as transformers does, and the shards are not");
    return files;
  }
  if (indexed) return files_of_index(base);
  bool pickles = false;
  for (const auto& entry : fs::directory_iterator(base, error)) {
    const fs::path kind = entry.path().extension();
    if (kind == ".safetensors") files.paths.push_back(entry.path().string());
    pickles = pickles || kind == ".bin" || kind == ".pt" || kind == ".pth";
  }
  if (error) return make_error(ErrorCode::io, error.message(), folder);
  std::sort(files.paths.begin(), files.paths.end());
  if (!files.paths.empty()) return files;
  if (pickles)
    return make_error(ErrorCode::unsupported,
                      "has weights only as a Python pickle (.bin, .pt); convert them to safetensors: save the model "
                      "with safe_serialization=True",
                      folder);
  return make_error(ErrorCode::not_found, "has no *.safetensors", folder);
}

} // namespace

Status Checkpoint::add_part(GgufFile file) {
  for (io::TensorInfo info : file.tensors()) {
    info.file = gguf_.size();
    if (!by_name_.emplace(info.name, tensors_.size()).second)
      return make_error(ErrorCode::corrupt, "is in another part too", file.path(), info.name);
    tensors_.push_back(std::move(info));
  }
  gguf_.push_back(std::make_shared<const GgufFile>(std::move(file)));
  return {};
}

Result<Checkpoint> Checkpoint::open_gguf(const std::string& path) {
  HS_ASSIGN(std::vector<GgufFile> parts, open_gguf_parts(path));
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  checkpoint.folder_ = fs::path(path).parent_path().string();
  checkpoint.config_ = parts.front().metadata_json();
  for (GgufFile& part : parts)
    HS_TRY(checkpoint.add_part(std::move(part)));
  return checkpoint;
}

Status Checkpoint::read_config() {
  const std::string path = (fs::path(folder_) / "config.json").string();
  HS_ASSIGN(const std::string text, read_regular_file(path));
  HS_ASSIGN(config_, parse_json(text, path));
  if (!config_.is_object()) return make_error(ErrorCode::corrupt, "should hold a JSON object", path);
  config_sha256_ = sha256_hex(text.data(), text.size());
  return {};
}

Result<Checkpoint> Checkpoint::open_safetensors(const std::string& path, const std::string& folder,
                                                const std::vector<std::string>& files) {
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  checkpoint.folder_ = folder;
  HS_TRY(checkpoint.read_config());
  for (const std::string& name : files) {
    HS_ASSIGN(io::SafetensorsFile file, io::SafetensorsFile::open(name));
    for (io::TensorInfo info : file.tensors()) {
      info.file = checkpoint.shards_.size();
      if (!checkpoint.by_name_.emplace(info.name, checkpoint.tensors_.size()).second)
        return make_error(ErrorCode::corrupt, "is in another shard too", name, info.name);
      checkpoint.tensors_.push_back(std::move(info));
    }
    checkpoint.shards_.push_back(std::make_shared<const io::SafetensorsFile>(std::move(file)));
  }
  return checkpoint;
}

Result<Checkpoint> Checkpoint::open_folder(const std::string& folder) {
  HS_ASSIGN(const WeightFiles files, weight_files(folder));
  HS_ASSIGN(Checkpoint checkpoint, open_safetensors(folder, folder, files.paths));
  for (const auto& [tensor, shard] : files.shard) {
    const io::TensorInfo* info = checkpoint.find(tensor);
    if (!info || checkpoint.file_of(*info).path() != (fs::path(folder) / shard).string())
      return make_error(ErrorCode::corrupt, "is said to be in " + shard + ", which does not hold it", files.index,
                        "weight_map." + tensor);
  }
  return checkpoint;
}

Result<Checkpoint> Checkpoint::open(const std::string& path) {
  std::error_code error;
  const fs::path given(path);
  if (fs::is_directory(given, error)) {
    if (!fs::exists(given / "config.json", error)) {
      if (fs::exists(given / "adapter_config.json", error))
        return make_error(ErrorCode::unsupported,
                          "holds a LoRA adapter (adapter_config.json), which is no model by itself; merge it into its "
                          "base model first, with peft's merge_and_unload(), and save that",
                          path);
      std::string inside;
      for (const auto& entry : fs::directory_iterator(given, error))
        if (entry.path().extension() == ".gguf") inside = entry.path().filename().string();
      return make_error(ErrorCode::not_found,
                        inside.empty() ? "is a folder without config.json"
                                       : "is a folder without config.json; did you mean " + inside + " in it?",
                        path);
    }
    return open_folder(path);
  }
  if (!fs::exists(given, error)) return make_error(ErrorCode::not_found, "does not exist", path);
  if (given.extension() == ".safetensors") {
    const std::string folder = given.has_parent_path() ? given.parent_path().string() : ".";
    return open_safetensors(path, folder, {path});
  }
  return open_gguf(path); // says so when it is something else
}

const io::TensorInfo* Checkpoint::find(const std::string& name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &tensors_[it->second];
}

std::int64_t Checkpoint::total_bytes() const {
  std::int64_t bytes = 0;
  for (const io::TensorInfo& info : tensors_)
    bytes += static_cast<std::int64_t>(info.bytes);
  return bytes;
}

std::string Checkpoint::quantisation() const {
  std::map<std::string, std::uint64_t> bytes;
  for (const io::TensorInfo& info : tensors_)
    bytes[info.dtype] += info.bytes;
  const auto most =
      std::max_element(bytes.begin(), bytes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == bytes.end() ? "none" : most->first;
}

const io::MappedFile& Checkpoint::file_of(const io::TensorInfo& tensor) const {
  return gguf() ? gguf_[tensor.file]->file() : shards_[tensor.file]->file();
}

bool Checkpoint::quantised() const {
  // Only GGUF has quantised types; its float types are those with blocks of one element.
  return gguf() && std::any_of(tensors_.begin(), tensors_.end(), [&](const io::TensorInfo& info) {
           return kernels::quant_layout(static_cast<std::uint32_t>(gguf()->type(info)))->block_size > 1;
         });
}

Status Checkpoint::read(const std::string& name, void* out, io::ElementType type, Workers& workers,
                        std::optional<io::RowRange> rows, std::vector<std::int64_t> row_order) const {
  const io::TensorInfo* info = find(name);
  if (!info) return make_error(ErrorCode::corrupt, "this tensor is missing", path_, name);
  const std::int64_t all = info->shape.empty() ? 1 : info->shape[0];
  const io::RowRange range = rows.value_or(io::RowRange{0, all});
  if (range.begin < 0 || range.end < range.begin || range.end > all)
    return make_error(ErrorCode::invalid_argument,
                      "has rows 0 to " + std::to_string(all) + ", not " + std::to_string(range.begin) + " to " +
                          std::to_string(range.end),
                      path_, name);
  const auto row = static_cast<std::uint64_t>(all == 0 ? 0 : info->elements() / all);
  return io::read_tensor(file_of(*info), *info,
                         {static_cast<std::uint64_t>(range.begin) * row,
                          static_cast<std::uint64_t>(range.end - range.begin) * row, out, type, std::move(row_order)},
                         workers);
}

std::vector<const io::MappedFile*> Checkpoint::files() const {
  std::vector<const io::MappedFile*> files;
  for (const auto& part : gguf_)
    files.push_back(&part->file());
  for (const auto& shard : shards_)
    files.push_back(&shard->file());
  return files;
}

Status Checkpoint::check_unchanged() const {
  for (const io::MappedFile* file : files())
    HS_TRY(file->check_unchanged());
  return {};
}

Result<std::string> Checkpoint::identity_sha256(const RunControl& control) const {
  std::map<std::string, std::string> digests; // by name, which is the order of the lines
  if (!gguf()) digests["config.json"] = config_sha256_;
  std::int64_t total = 0, before = 0;
  for (const io::MappedFile* file : files())
    total += static_cast<std::int64_t>(file->bytes().size());
  for (const io::MappedFile* file : files()) {
    const auto proceed = [&](std::int64_t done) {
      control.report("hashing", before + done, total);
      return !control.cancel.cancelled();
    };
    HS_ASSIGN(digests[fs::path(file->path()).lexically_relative(folder_).string()], file->sha256(proceed));
    before += static_cast<std::int64_t>(file->bytes().size());
  }
  if (gguf_.size() == 1) return digests.begin()->second;
  std::string lines;
  for (const auto& [name, digest] : digests)
    lines += name + "  " + digest + "\n";
  return sha256_hex(lines.data(), lines.size());
}

} // namespace headscope
