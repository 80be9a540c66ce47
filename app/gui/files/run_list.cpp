// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/files/run_list.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "app/figures/files.h"
#include "app/gui/files/file_state.h"

namespace headscope::gui {
namespace {

namespace fs = std::filesystem;

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names)
    text += (text.empty() ? "" : ", ") + name;
  return text;
}

Result<std::string> contents_of(const store::ResultReader& reader) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
  for (const char* group : {"detectors", "ablation", "patching", "graph"}) {
    HS_ASSIGN(const auto names, reader.list(std::string("/") + group));
    if (!names.empty()) add(std::string(group) + ": " + joined(names));
  }
  HS_ASSIGN(const auto maps, reader.list("/attention"));
  std::size_t count = 0;
  for (const std::string& prompt : maps) {
    HS_ASSIGN(const store::AttentionSpec spec, reader.attention(prompt));
    count += spec.heads.size();
  }
  if (count > 0) add(std::to_string(count) + (count == 1 ? " attention map" : " attention maps"));
  return text;
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  return text.str();
}

Status read_run(RunInfo& run) {
  HS_ASSIGN(const store::ResultReader reader, store::ResultReader::open(run.path));
  run.created = reader.info().created;
  run.complete = reader.info().complete;
  if (reader.exists("/model")) {
    HS_ASSIGN(const store::Attributes model, reader.model());
    run.model = store::text_attribute(model, "name");
  }
  HS_ASSIGN(run.contents, contents_of(reader));
  return {};
}

ProvenanceNode node_of(const std::string& name, const store::Attributes& attributes) {
  ProvenanceNode node{name, {}, {}};
  const nlohmann::json json = store::to_json(attributes);
  for (const store::Attribute& attribute : attributes) {
    const nlohmann::json& value = json.at(attribute.name);
    node.children.push_back({attribute.name,
                             value.is_string() ? value.get<std::string>()
                                               : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
                             {}});
  }
  return node;
}

} // namespace

std::string notes_path(const std::string& path) { return path + ".notes.md"; }

Result<std::vector<RunInfo>> list_runs(const std::string& folder, const RunControl& control) {
  std::error_code failed;
  const fs::path root = fs::absolute(folder, failed).lexically_normal();
  if (!fs::is_directory(root, failed)) return make_error(ErrorCode::not_found, "is no folder", folder);
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(root, fs::directory_options::skip_permission_denied, failed)) {
    const std::string extension = entry.path().extension().string(), name = entry.path().filename().string();
    if ((extension == ".h5" || extension == ".hdf5") && name.front() != '.') files.push_back(entry.path());
  }
  if (failed) return make_error(ErrorCode::io, failed.message(), folder);
  std::vector<RunInfo> runs;
  for (const fs::path& file : files) {
    if (control.cancel.cancelled()) return make_error(ErrorCode::cancelled, "cancelled");
    control.report("reading results", static_cast<std::int64_t>(runs.size()), static_cast<std::int64_t>(files.size()));
    RunInfo run;
    run.path = file.string();
    run.name = file.filename().string();
    run.notes = read_text(notes_path(run.path));
    if (const Status status = read_run(run); !status.ok()) run.problem = status.error().message;
    runs.push_back(std::move(run));
  }
  std::sort(runs.begin(), runs.end(), [](const RunInfo& a, const RunInfo& b) {
    return std::tie(b.created, a.name) < std::tie(a.created, b.name);
  });
  return runs;
}

Status write_notes(const std::string& path, const std::string& text) {
  const std::string notes = notes_path(path);
  if (!text.empty()) return figures::write_atomically(notes, text, true);
  std::error_code failed;
  fs::remove(notes, failed);
  if (failed) return make_error(ErrorCode::io, failed.message(), notes);
  return {};
}

Result<ProvenanceNode> read_provenance(FileState& state, const std::string& path) {
  HS_ASSIGN(const store::ResultReader* reader, state.reader(path));
  HS_ASSIGN(const store::Attributes root, reader->attributes("/"));
  ProvenanceNode tree = node_of(fs::path(path).filename().string(), root);
  if (reader->exists("/model")) {
    HS_ASSIGN(const store::Attributes model, reader->model());
    tree.children.push_back(node_of("model", model));
  }
  ProvenanceNode options{"options", {}, {}};
  HS_ASSIGN(const auto steps, reader->list("/options"));
  for (const std::string& step : steps) {
    HS_ASSIGN(const store::Attributes attributes, reader->options(step));
    options.children.push_back(node_of(step, attributes));
  }
  if (!options.children.empty()) tree.children.push_back(std::move(options));
  return tree;
}

} // namespace headscope::gui
