// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/host/verdict_cache.h"

#include <filesystem>

#include <sys/stat.h>

#include "core/base/sha256.h"
#include "plugins/host/json_fields.h"

namespace headscope::plugin {
namespace {

namespace fs = std::filesystem;

// Identifies an unchanged file by its path, inode, size and times. The time of its last status change (ctime) cannot be
// set by anybody.
std::string identity_of(const std::string& path) {
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0) return path + "|?";
  return path + "|" + std::to_string(info.st_dev) + "|" + std::to_string(info.st_ino) + "|" +
         std::to_string(info.st_size) + "|" + std::to_string(info.st_mtim.tv_sec) + "." +
         std::to_string(info.st_mtim.tv_nsec) + "|" + std::to_string(info.st_ctim.tv_sec) + "." +
         std::to_string(info.st_ctim.tv_nsec);
}

// Hashes the file's content, since changes within one tick of the kernel's clock leave the same times.
std::string digest_of(const std::string& path) {
  const auto digest = sha256_file(path);
  return digest.ok() ? *digest : "?";
}

std::optional<Verdict> verdict_of(const nlohmann::json& json) {
  if (!json.is_object() || !json.contains("good") || !json.contains("reason") || !json.contains("provides")) return {};
  try {
    return Verdict{json.at("good").get<bool>(), json.at("reason").get<std::string>(),
                   json.at("provides").get<std::vector<std::string>>()};
  } catch (const nlohmann::json::exception&) {
    return {};
  }
}

nlohmann::json json_of(const Verdict& verdict) {
  return {{"good", verdict.good}, {"reason", verdict.reason}, {"provides", verdict.provides}};
}

} // namespace

std::string to_line(const Verdict& verdict) {
  return json_of(verdict).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::optional<Verdict> parse_verdict(const std::string& line) {
  const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
  return verdict_of(json);
}

VerdictCache::VerdictCache(const std::string& folder, const Manifest& manifest, const std::string& program) {
  if (folder.empty()) return;
  std::error_code error;
  const std::string module = fs::absolute(manifest.module, error).string();
  file_ = folder + "/" + sha256_hex(module.data(), module.size()).substr(0, 24) + ".json";
  identity_ = identity_of(module) + "|" + digest_of(module) + "\n" + identity_of(manifest.file) + "|" +
              digest_of(manifest.file) + "\n" + identity_of(program);
}

std::optional<Verdict> VerdictCache::read() const {
  if (file_.empty()) return {};
  const auto json = read_json(file_);
  if (!json.ok() || !json->is_object() || json->value("identity", nlohmann::json()) != identity_) return {};
  return verdict_of(*json);
}

// Writes in one step, since several programs may start at once.
void VerdictCache::write(const Verdict& verdict) const {
  if (file_.empty()) return;
  std::error_code error;
  fs::create_directories(fs::path(file_).parent_path(), error);
  nlohmann::json json = json_of(verdict);
  json["identity"] = identity_;
  static_cast<void>(write_json(file_, json)); // without a cache the module is tried again
}

} // namespace headscope::plugin
