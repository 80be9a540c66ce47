// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/model_store.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <mutex>

#include "core/base/log.h"
#include "core/base/text_file.h"

namespace headscope {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> model_folders() {
  std::vector<fs::path> folders;
  if (const char* set = std::getenv("HEADSCOPE_MODELS"); set && *set) folders.emplace_back(set);
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) folders.push_back(program.parent_path().parent_path() / "models");
  if (const char* data = std::getenv("XDG_DATA_HOME"); data && *data)
    folders.push_back(fs::path(data) / "headscope/models");
  else if (const char* home = std::getenv("HOME"); home && *home)
    folders.push_back(fs::path(home) / ".local/share/headscope/models");
  return folders;
}

// Finds the cache as huggingface_hub does: $HF_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub,
// ~/.cache/huggingface/hub.
fs::path hub_cache() {
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  if (const std::string folder = set("HF_HUB_CACHE"); !folder.empty()) return folder;
  if (const std::string folder = set("HF_HOME"); !folder.empty()) return fs::path(folder) / "hub";
  if (const std::string folder = set("XDG_CACHE_HOME"); !folder.empty()) return fs::path(folder) / "huggingface/hub";
  if (const std::string folder = set("HOME"); !folder.empty()) return fs::path(folder) / ".cache/huggingface/hub";
  return {};
}

// Whether a name is "name" or "organisation/name" in characters that the hub allows.
bool is_hub_name(const std::string& name) {
  const auto slashes = std::count(name.begin(), name.end(), '/');
  if (slashes > 1 || name.front() == '/' || name.back() == '/' || name.front() == '.' || name.size() > 96) return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '/' || c == '-' || c == '_' || c == '.';
  });
}

// The snapshot of the branch `main`, otherwise the newest one that has a config.json.
std::string cached_snapshot(const std::string& name) {
  std::string folder = "models--" + name;
  if (const auto slash = folder.find('/'); slash != std::string::npos) folder.replace(slash, 1, "--");
  const fs::path base = hub_cache() / folder;
  std::error_code error;
  if (const auto branch = read_text_file((base / "refs/main").string(), 1024); branch.ok()) {
    const std::string commit = branch->substr(0, branch->find_first_of(" \r\n"));
    if (!commit.empty() && commit.find('/') == std::string::npos &&
        fs::exists(base / "snapshots" / commit / "config.json", error))
      return (base / "snapshots" / commit).string();
  }
  std::pair<fs::file_time_type, std::string> newest{fs::file_time_type::min(), {}};
  for (const auto& entry : fs::directory_iterator(base / "snapshots", error))
    if (fs::exists(entry.path() / "config.json", error))
      newest = std::max(newest, {entry.last_write_time(error), entry.path().string()});
  return newest.second;
}

void say_that_path_wins(const PackagedModel& model) {
  static std::once_flag said;
  std::call_once(said, [&] {
    log::warning("'" + model.name + "' is a file or folder here and is opened; the packaged model of that name is not");
  });
}

Error not_there(const std::string& name, const std::string& known) {
  std::string message = "is neither a file, a folder, nor a packaged model (" + known + ")";
  if (is_hub_name(name))
    message += ", nor in Hugging Face's cache " + hub_cache().string() +
               " (HF_HUB_CACHE, HF_HOME). Headscope downloads nothing: fetch it first, for example with "
               "'hf download " +
               name + "', or name its folder";
  return make_error(ErrorCode::not_found, message, name);
}

} // namespace

const std::vector<PackagedModel>& packaged_models() {
  static const std::vector<PackagedModel> models = {
      {"smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf",
       "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"},
      {"gemma3-270m", "gemma-3-270m-q4_k_m.gguf", "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"},
  };
  return models;
}

Result<std::string> resolve_model_path(const std::string& name_or_path) {
  if (name_or_path.empty()) return make_error(ErrorCode::invalid_argument, "no model is named", {}, "--model");
  std::error_code error;
  const bool exists = fs::exists(name_or_path, error);
  std::string known;
  for (const PackagedModel& model : packaged_models()) {
    known += (known.empty() ? "" : ", ") + model.name;
    if (model.name != name_or_path) continue;
    if (exists) {
      say_that_path_wins(model);
      break;
    }
    std::string searched;
    for (const fs::path& folder : model_folders()) {
      if (fs::exists(folder / model.file, error)) return (folder / model.file).string();
      searched += (searched.empty() ? "" : ", ") + folder.string();
    }
    return make_error(ErrorCode::not_found,
                      model.file + " is in none of " + searched + "; run scripts/fetch-models, or set HEADSCOPE_MODELS",
                      {}, model.name);
  }
  if (exists) return name_or_path;
  if (is_hub_name(name_or_path))
    if (const std::string snapshot = cached_snapshot(name_or_path); !snapshot.empty()) return snapshot;
  return not_there(name_or_path, known);
}

} // namespace headscope
