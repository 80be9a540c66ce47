// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/model_store.h"

#include <cstdlib>
#include <filesystem>

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
  if (fs::exists(name_or_path, error)) return name_or_path;
  std::string known;
  for (const PackagedModel& model : packaged_models()) {
    known += (known.empty() ? "" : ", ") + model.name;
    if (model.name != name_or_path) continue;
    std::string searched;
    for (const fs::path& folder : model_folders()) {
      if (fs::exists(folder / model.file, error)) return (folder / model.file).string();
      searched += (searched.empty() ? "" : ", ") + folder.string();
    }
    return make_error(ErrorCode::not_found,
                      model.file + " is in none of " + searched + "; run scripts/fetch-models, or set HEADSCOPE_MODELS",
                      {}, model.name);
  }
  return make_error(ErrorCode::not_found, "is neither a file, a folder, nor a packaged model (" + known + ")",
                    name_or_path);
}

} // namespace headscope
