// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/experiments/model_list.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "app/experiments/beside.h"
#include "core/model/model_store.h"
#include "core/store/part_name.h"

namespace headscope::experiments {
namespace {

namespace fs = std::filesystem;

bool names_a_file(const fs::path& path) { return path.extension() == ".gguf" || path.extension() == ".safetensors"; }

// Finds a model beside the experiment's file, as its task files; otherwise relative to where the program was started,
// or a packaged model.
std::string model_beside(const std::string& experiment, const std::string& model) {
  const fs::path path = beside(experiment, model);
  std::error_code error;
  const bool there = names_a_file(path) ? fs::is_regular_file(path, error) : fs::exists(path / "config.json", error);
  return there ? path.string() : model;
}

// Joins the last parts of a path without the file's ending: "run1-ckpt-1000". Omits the same characters as names of a
// sweep's steps.
std::string last_parts(const fs::path& path, std::size_t count) {
  std::vector<std::string> parts;
  for (const fs::path& part : path.lexically_normal())
    if (part.has_filename() && part != ".") parts.push_back(part.string());
  if (!parts.empty() && names_a_file(parts.back())) parts.back() = fs::path(parts.back()).stem().string();
  std::string name;
  for (std::size_t i = parts.size() - std::min(count, parts.size()); i < parts.size(); ++i)
    name += (name.empty() ? "" : "-") + parts[i];
  std::erase_if(name, [](char c) { return c == '"' || c == '\'' || c == '/' || c == ' '; });
  return name;
}

// Uses as few parts as tell the paths apart, since checkpoints of two runs often have the same name.
std::vector<std::string> short_names(const std::vector<std::string>& paths) {
  constexpr std::size_t deepest = 16;
  std::vector<std::string> names;
  for (std::size_t count = 1; count <= deepest; ++count) {
    names.clear();
    for (const std::string& path : paths)
      names.push_back(last_parts(path, count));
    if (std::set<std::string>(names.begin(), names.end()).size() == names.size()) break;
  }
  return names;
}

bool same_model(const std::string& a, const std::string& b) {
  std::error_code error;
  return fs::path(a).lexically_normal() == fs::path(b).lexically_normal() || fs::equivalent(a, b, error);
}

// Says what is wrong with one of several models, or nothing.
std::string problem_of(const std::vector<ExperimentModel>& models, std::size_t index) {
  const ExperimentModel& model = models[index];
  if (model.path.empty()) return "is empty; name a folder, a .gguf file or a packaged model";
  const auto found = resolve_model_path(model.path);
  if (!found.ok()) return (found.error().file.empty() ? "" : found.error().file + " ") + found.error().message;
  for (std::size_t i = 0; i < index; ++i) {
    if (same_model(models[i].path, model.path)) return model.path + " is named twice; name each model once";
    if (models[i].name == model.name)
      return model.path + " would have the name " + model.name + " in the result, as " + models[i].path +
             " has; rename one of them";
  }
  const Status usable = store::check_part_name(model.name);
  return usable.ok() ? "" : usable.error().message;
}

} // namespace

std::vector<std::string> read_model_paths(TomlTable& table) {
  std::vector<std::string> paths;
  if (table.is_list("path")) {
    table.read("path", paths);
    return paths;
  }
  std::string one;
  table.read("path", one);
  if (!one.empty()) paths.push_back(one);
  return paths;
}

Result<std::vector<ExperimentModel>> name_models(const TomlTable& table, const std::string& experiment,
                                                 const std::vector<std::string>& paths) {
  if (paths.empty() && table.is_list("path"))
    return table.error_at("path", ErrorCode::invalid_argument, "is an empty list; name at least one model");
  if (paths.empty() || paths.front().empty())
    return table.error_at("path", ErrorCode::invalid_argument,
                          "is missing: a folder, a .gguf file or a packaged model");
  std::vector<ExperimentModel> models;
  models.reserve(paths.size());
  for (const std::string& path : paths)
    models.push_back({path.empty() ? path : model_beside(experiment, path), {}});
  if (models.size() == 1) return models;
  const std::vector<std::string> names = short_names(paths);
  for (std::size_t i = 0; i < models.size(); ++i)
    models[i].name = names[i];
  for (std::size_t i = 0; i < models.size(); ++i)
    if (const std::string problem = problem_of(models, i); !problem.empty()) {
      const bool missing = !models[i].path.empty() && !resolve_model_path(models[i].path).ok();
      return table.error_in_list("path", i, missing ? ErrorCode::not_found : ErrorCode::invalid_argument, problem);
    }
  return models;
}

std::string with_model(const std::string& name, const ExperimentModel& model) {
  return model.name.empty() ? name : name + "-" + model.name;
}

} // namespace headscope::experiments
