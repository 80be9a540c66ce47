// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/host/plugin_host.h"

#include <algorithm>
#include <filesystem>

#include "plugins/host/folders.h"
#include "plugins/host/module.h"
#include "plugins/host/python/python_detector.h"

namespace headscope::plugin {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> files_ending(const std::string& folder, const std::string& ending) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ending) files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  return files;
}

std::string joined(const std::vector<std::string>& ids) {
  std::string text;
  for (const std::string& id : ids)
    text += (text.empty() ? "" : ", ") + id;
  return text;
}

// The part of an error that the entry does not already say.
std::string reason_of(const Error& error) {
  return error.field.empty() ? error.message : error.field + ": " + error.message;
}

} // namespace

PluginHost PluginHost::load(const HostOptions& options) {
  PluginHost host;
  host.folders_ = options.folders.empty() ? plugin_folders() : options.folders;
  for (const std::string& folder : host.folders_)
    host.add_folder(fs::absolute(folder).string(), options);
  return host;
}

void PluginHost::add_folder(const std::string& folder, const HostOptions& options) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    entries_.push_back({fs::path(folder).filename().string(), {}, folder, {}, false, "there is no such folder", {}});
    return;
  }
  if ((fs::status(folder, error).permissions() & fs::perms::others_write) != fs::perms::none)
    warnings_.push_back("anybody may write into the plugin folder " + folder +
                        ", and what lies there runs as you; take the right away (chmod o-w)");
  for (const std::string& manifest : files_ending(folder, ".json"))
    add(manifest, options);
  for (const std::string& module : files_ending(folder, ".so")) {
    const auto named = [&](const PluginEntry& entry) { return entry.module == module; };
    if (std::none_of(entries_.begin(), entries_.end(), named) &&
        !fs::exists(fs::path(module).replace_extension(".json")))
      entries_.push_back(
          {fs::path(module).stem().string(),
           {},
           {},
           module,
           false,
           "no manifest names it; the file " + fs::path(module).stem().string() + ".json is missing beside it",
           {}});
  }
}

void PluginHost::add(const std::string& manifest, const HostOptions& options) {
  PluginEntry entry;
  entry.id = fs::path(manifest).stem().string();
  entry.manifest = manifest;
  const Status status = load_into(entry, options);
  entry.loaded = status.ok();
  if (!status.ok()) {
    entry.reason = reason_of(status.error());
    mechanisms_.refuse(entry.id, entry.reason);
  }
  entries_.push_back(std::move(entry));
}

Status PluginHost::load_into(PluginEntry& entry, const HostOptions& options) {
  HS_ASSIGN(const Manifest manifest, read_manifest(entry.manifest));
  entry.id = manifest.id;
  entry.kind = to_string(manifest.kind);
  entry.module = manifest.module;
  for (const PluginEntry& other : entries_)
    if (other.id == manifest.id && other.loaded)
      return make_error(ErrorCode::already_exists, "is the id of " + other.manifest + " too", entry.manifest, "id");
  HS_TRY(check_toolchain(manifest));
  if (manifest.kind == Kind::python_detector) {
    HS_ASSIGN(std::shared_ptr<const Detector> detector, make_python_detector(manifest));
    return take(entry, {std::move(detector)});
  }
  const Verdict verdict = probe(manifest, options.probe);
  if (!verdict.good) return make_error(ErrorCode::unsupported, verdict.reason, manifest.module);
  HS_ASSIGN(ModuleObjects objects, open_module(manifest));
  return manifest.kind == Kind::mechanism ? take(entry, objects.mechanisms) : take(entry, std::move(objects.detectors));
}

// Takes all of a plugin's detectors or none.
Status PluginHost::take(PluginEntry& entry, std::vector<std::shared_ptr<const Detector>> detectors) {
  std::vector<std::string> ids;
  for (const auto& detector : detectors) {
    const std::string id = detector->id();
    if (std::find(ids.begin(), ids.end(), id) != ids.end())
      return make_error(ErrorCode::already_exists, "it has two objects with the id '" + id + "'", entry.module);
    for (const PluginEntry& other : entries_)
      if (other.loaded && other.kind.ends_with("detector") &&
          std::find(other.provides.begin(), other.provides.end(), id) != other.provides.end())
        return make_error(ErrorCode::already_exists, "the id '" + id + "' is taken by " + other.manifest, entry.module);
    ids.push_back(id);
  }
  entry.provides = ids;
  std::move(detectors.begin(), detectors.end(), std::back_inserter(detectors_));
  return {};
}

Status PluginHost::take(PluginEntry& entry, const std::vector<mechanisms::SharedDefinition>& added) {
  mechanisms::MechanismList with = mechanisms_;
  for (const auto& mechanism : added) {
    HS_TRY(with.add(mechanism));
    entry.provides.emplace_back(mechanism->info.id);
  }
  mechanisms_ = std::move(with);
  return {};
}

Result<std::shared_ptr<const Detector>> PluginHost::detector(const std::string& id) const {
  std::vector<std::string> ids;
  for (const auto& detector : detectors_) {
    if (detector->id() == id) return detector;
    ids.push_back(detector->id());
  }
  for (const PluginEntry& entry : entries_)
    if (entry.id == id && !entry.loaded)
      return make_error(ErrorCode::not_found, "the plugin '" + id + "' was refused: " + entry.reason,
                        entry.module.empty() ? entry.manifest : entry.module);
  return make_error(ErrorCode::not_found,
                    "there is no detector '" + id + "'; there " + (ids.empty() ? "is none" : "are " + joined(ids)));
}

} // namespace headscope::plugin
