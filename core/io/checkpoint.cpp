// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "core/base/sha256.h"
#include "core/io/read_tensor.h"

namespace headscope {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

Result<json> read_json(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::error_code error;
  if (!file) return make_error(fs::exists(path, error) ? ErrorCode::io : ErrorCode::not_found, "cannot be read", path);
  std::ostringstream text;
  text << file.rdbuf();
  json parsed = json::parse(text.str(), nullptr, false);
  if (parsed.is_discarded() || !parsed.is_object()) return make_error(ErrorCode::corrupt, "is no JSON object", path);
  return parsed;
}

// The shards that an index names, each once.
Result<std::vector<std::string>> files_of_index(const std::string& path) {
  HS_ASSIGN(const json index, read_json(path));
  if (!index.contains("weight_map") || !index["weight_map"].is_object())
    return make_error(ErrorCode::corrupt, "must be an object of tensor names and files", path, "weight_map");
  std::set<std::string> names;
  for (const auto& [tensor, file] : index["weight_map"].items()) {
    if (!file.is_string() || file.get<std::string>().find('/') != std::string::npos)
      return make_error(ErrorCode::corrupt, "must name a file in the same folder", path, "weight_map." + tensor);
    names.insert(file.get<std::string>());
  }
  return std::vector<std::string>(names.begin(), names.end());
}

Result<std::vector<std::string>> weight_files(const std::string& folder) {
  const fs::path base(folder);
  std::error_code error;
  if (fs::exists(base / "model.safetensors.index.json", error)) {
    const std::string index = (base / "model.safetensors.index.json").string();
    HS_ASSIGN(const std::vector<std::string> names, files_of_index(index));
    std::vector<std::string> files;
    for (const std::string& name : names) {
      if (!fs::exists(base / name, error))
        return make_error(ErrorCode::not_found, "names " + name + ", which is missing", index, "weight_map");
      files.push_back((base / name).string());
    }
    return files;
  }
  if (fs::exists(base / "model.safetensors", error))
    return std::vector<std::string>{(base / "model.safetensors").string()};
  std::vector<std::string> files;
  bool pickles = false;
  for (const auto& entry : fs::directory_iterator(base, error)) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path().string());
    pickles = pickles || entry.path().extension() == ".bin" || entry.path().extension() == ".pt";
  }
  std::sort(files.begin(), files.end());
  if (!files.empty()) return files;
  if (pickles)
    return make_error(ErrorCode::unsupported,
                      "has weights only as a Python pickle (.bin); save the model with safe_serialization=True",
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
  HS_ASSIGN(checkpoint.config_, read_json((fs::path(folder) / "config.json").string()));
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

Result<Checkpoint> Checkpoint::open(const std::string& path) {
  std::error_code error;
  const fs::path given(path);
  if (fs::is_directory(given, error)) {
    if (!fs::exists(given / "config.json", error)) {
      std::string inside;
      for (const auto& entry : fs::directory_iterator(given, error))
        if (entry.path().extension() == ".gguf") inside = entry.path().filename().string();
      return make_error(
          ErrorCode::not_found,
          inside.empty() ? "has no config.json" : "has no config.json; did you mean " + inside + " in it?", path);
    }
    HS_ASSIGN(const std::vector<std::string> files, weight_files(path));
    return open_safetensors(path, path, files);
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

Status Checkpoint::read(const std::string& name, void* out, io::ElementType type, int threads) const {
  const io::TensorInfo* info = find(name);
  if (!info) return make_error(ErrorCode::corrupt, "this tensor is missing", path_, name);
  const io::MappedFile& file = file_of(*info);
  file.will_read(info->offset, info->bytes);
  Status status =
      io::read_tensor(*info, file.bytes().subspan(info->offset, info->bytes), out, type, threads, file.path());
  file.drop(info->offset, info->bytes);
  return status;
}

Result<std::string> Checkpoint::identity_sha256(const TaskContext& task) const {
  if (gguf_) {
    task.report("hashing", 0, 1);
    return sha256_file(path_);
  }
  std::vector<std::string> files = {(fs::path(folder_) / "config.json").string()};
  for (const auto& shard : shards_)
    files.push_back(shard->file().path());
  std::sort(files.begin(), files.end(),
            [](const std::string& a, const std::string& b) { return fs::path(a).filename() < fs::path(b).filename(); });
  std::string lines;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (task.cancel.cancelled()) return make_error(ErrorCode::cancelled, "hashing was cancelled", files[i]);
    task.report("hashing", static_cast<std::int64_t>(i), static_cast<std::int64_t>(files.size()));
    HS_ASSIGN(const std::string digest, sha256_file(files[i]));
    lines += fs::path(files[i]).filename().string() + "  " + digest + "\n";
  }
  return sha256_hex(lines.data(), lines.size());
}

} // namespace headscope
