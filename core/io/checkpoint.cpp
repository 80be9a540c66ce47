// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/base/json_text.h"
#include "core/base/sha256.h"
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
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    if (name.empty() || fs::path(name).filename() != name || name == "." || name == "..")
      return make_error(ErrorCode::corrupt, "must name a file in the same folder", files.index, "weight_map." + tensor);
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
  if (fs::exists(base / index_name, error)) return files_of_index(base);
  WeightFiles files;
  if (fs::exists(base / "model.safetensors", error)) {
    files.paths = {(base / "model.safetensors").string()};
    return files;
  }
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

void Checkpoint::index_tensors() {
  for (std::size_t i = 0; i < tensors_.size(); ++i)
    by_name_.emplace(tensors_[i].name, i);
}

Result<Checkpoint> Checkpoint::open_gguf(const std::string& path) {
  HS_ASSIGN(GgufFile file, GgufFile::open(path));
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  checkpoint.folder_ = fs::path(path).parent_path().string();
  checkpoint.config_ = file.metadata_json();
  checkpoint.tensors_ = file.tensors();
  checkpoint.gguf_ = std::make_shared<const GgufFile>(std::move(file));
  checkpoint.index_tensors();
  return checkpoint;
}

Result<Checkpoint> Checkpoint::open_safetensors(const std::string& path, const std::string& folder,
                                                const std::vector<std::string>& files) {
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  checkpoint.folder_ = folder;
  HS_ASSIGN(checkpoint.config_, read_json_object((fs::path(folder) / "config.json").string()));
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
    if (!info || fs::path(checkpoint.file_of(*info).path()).filename() != shard)
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
  return gguf_ ? gguf_->file() : shards_[tensor.file]->file();
}

bool Checkpoint::quantised() const {
  // Only GGUF has such types; its floats are the ones with blocks of one element.
  return gguf_ && std::any_of(tensors_.begin(), tensors_.end(), [&](const io::TensorInfo& info) {
           return kernels::quant_layout(static_cast<std::uint32_t>(gguf_->type(info)))->block_size > 1;
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

Result<std::string> Checkpoint::identity_sha256(const TaskContext& task) const {
  std::vector<const io::MappedFile*> files;
  if (gguf_) files.push_back(&gguf_->file());
  for (const auto& shard : shards_)
    files.push_back(&shard->file());
  std::map<std::string, std::string> paths; // by name, which is the order of the lines
  std::int64_t total = 0, before = 0;
  for (const io::MappedFile* file : files) {
    paths[fs::path(file->path()).filename().string()] = file->path();
    total += static_cast<std::int64_t>(file->bytes().size());
  }
  if (!gguf_) paths["config.json"] = (fs::path(folder_) / "config.json").string();
  std::string lines, digest;
  for (const auto& [name, path] : paths) {
    std::int64_t here = 0;
    const auto proceed = [&](std::int64_t done) {
      here = done;
      task.report("hashing", before + done, total);
      return !task.cancel.cancelled();
    };
    HS_ASSIGN(digest, sha256_file(path, proceed));
    before += here;
    lines += name + "  " + digest + "\n";
  }
  return gguf_ ? digest : sha256_hex(lines.data(), lines.size());
}

} // namespace headscope
