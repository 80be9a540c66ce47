// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/host/manifest.h"

#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "plugins/host/json_fields.h"
#include "plugins/sdk/plugin.h"

namespace headscope::plugin {
namespace {

namespace fs = std::filesystem;
constexpr int manifest_version = 1;
constexpr std::int64_t first_python_sdk = 2; // from which on the exchange with Python files is the same

// Returns mismatch for a plugin of another SDK. Python files see nothing of what changes from one to the next.
Status check_sdk(std::int64_t sdk, const std::string& kind, const std::string& file) {
  const bool python = kind == to_string(Kind::python_detector);
  if (sdk == HEADSCOPE_SDK_VERSION || (python && sdk >= first_python_sdk && sdk < HEADSCOPE_SDK_VERSION)) return {};
  return make_error(ErrorCode::mismatch,
                    "was built for SDK " + std::to_string(sdk) + "; this Headscope has SDK " +
                        std::to_string(HEADSCOPE_SDK_VERSION) + ": build the plugin again",
                    file, "sdk");
}

Result<Kind> parse_kind(const std::string& text, const std::string& file) {
  for (const Kind kind : {Kind::detector, Kind::mechanism, Kind::python_detector})
    if (text == to_string(kind)) return kind;
  return make_error(ErrorCode::corrupt, "must be detector, mechanism or python-detector, not '" + text + "'", file,
                    "kind");
}

Result<std::string> module_path(const std::string& name, const std::string& file) {
  std::error_code error;
  const fs::path path = fs::absolute(file, error).parent_path() / name;
  if (name.empty() || fs::path(name).filename() != name)
    return make_error(ErrorCode::corrupt, "must be the name of a file beside the manifest, not '" + name + "'", file,
                      "module");
  if (!fs::is_regular_file(path, error))
    return make_error(ErrorCode::not_found, "there is no " + path.string(), file, "module");
  return path.string();
}

} // namespace

const char* to_string(Kind kind) {
  switch (kind) {
  case Kind::detector: return "detector";
  case Kind::mechanism: return "mechanism";
  case Kind::python_detector: return "python-detector";
  }
  return "";
}

bool is_id(const std::string& text) {
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; };
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), fits);
}

Result<Manifest> read_manifest(const std::string& file) {
  HS_ASSIGN(const nlohmann::json json, read_json(file));
  const JsonFields fields(json, file);
  HS_ASSIGN(const std::int64_t version, fields.integer("headscope_plugin"));
  if (version != manifest_version)
    return make_error(ErrorCode::unsupported, "must be 1, not " + std::to_string(version), file, "headscope_plugin");
  Manifest manifest;
  manifest.file = file;
  HS_ASSIGN(manifest.id, fields.text("id"));
  if (!is_id(manifest.id))
    return make_error(ErrorCode::corrupt, "must be of lower-case letters, digits, - and _, not '" + manifest.id + "'",
                      file, "id");
  HS_ASSIGN(const std::string kind, fields.text("kind"));
  HS_ASSIGN(const std::string name, fields.text("module"));
  HS_ASSIGN(const std::int64_t sdk, fields.integer("sdk"));
  HS_TRY(check_sdk(sdk, kind, file)); // before the kind, which may be one of an older SDK
  HS_ASSIGN(manifest.kind, parse_kind(kind, file));
  if (manifest.kind != Kind::python_detector) {
    HS_ASSIGN(const JsonFields abi, fields.object("abi"));
    HS_ASSIGN(manifest.abi.libtorch, abi.text("libtorch"));
    HS_ASSIGN(manifest.abi.cuda, abi.text("cuda"));
    HS_ASSIGN(manifest.abi.compiler, abi.text("compiler"));
  }
  HS_ASSIGN(manifest.module, module_path(name, file));
  return manifest;
}

Status check_toolchain(const Manifest& manifest, const AbiTag& own) {
  if (manifest.kind == Kind::python_detector) return {};
  const std::string differs = difference(manifest.abi, own);
  if (!differs.empty()) return make_error(ErrorCode::mismatch, differs, manifest.file, "abi");
  return {};
}

} // namespace headscope::plugin
