// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/files/graph_file.h"

#include <filesystem>

#include "app/gui/files/file_state.h"
#include "app/result_figures/graph_figure.h"
#include "app/result_figures/result_figures.h"
#include "core/base/partial_file.h"
#include "core/circuits/scored_circuit.h"

namespace headscope::gui {

Result<store::Graph> read_graph(FileState& state, const std::string& path, const std::string& name) {
  HS_ASSIGN(const store::ResultReader* reader, state.reader(path));
  if (!name.empty()) return reader->graph(name);
  HS_ASSIGN(const std::vector<std::string> names, reader->list("/graph"));
  if (names.empty()) return make_error(ErrorCode::not_found, "holds no graph", path, "/graph");
  return reader->graph(names.front());
}

Result<std::optional<figures::LineFigure>> read_curve(FileState& state, const std::string& path,
                                                      const std::string& name) {
  HS_ASSIGN(const store::ResultReader* reader, state.reader(path));
  const ResultPart& part = *find_result_part("circuit");
  HS_ASSIGN(const ResultItems items, part.list(part, *reader));
  for (const ResultItem& item : items) {
    if (!item.path.starts_with(name + "/")) continue;
    HS_ASSIGN(ResultFigure figure, part.figure(*reader, item));
    if (const auto* lines = figure.figure ? std::get_if<figures::LineFigure>(&*figure.figure) : nullptr)
      return std::optional(*lines);
  }
  return std::optional<figures::LineFigure>();
}

Result<store::Graph> connected_circuit(const store::Graph& graph, std::int64_t n) {
  HS_ASSIGN(ScoredCircuit scored, from_store(graph));
  scored.circuit = build_circuit(scored.graph, scored.importance(), {BuildRule::top_n, n, 0.0, true, true});
  return members_of(to_store(scored));
}

Status copy_result(FileState& state, const std::string& from, const std::string& to) {
  state.open.erase(to); // what was read of it is outdated
  HS_ASSIGN(PartialFile file, PartialFile::create(to, true));
  std::error_code failed;
  std::filesystem::copy_file(from, file.path(), std::filesystem::copy_options::overwrite_existing, failed);
  if (failed) return make_error(ErrorCode::io, "cannot be copied: " + failed.message(), from);
  return file.publish(true);
}

Status write_graph(FileState& state, const store::Graph& graph, const GraphFile& file) {
  if (file.overwrite) state.open.erase(file.path); // what was read of it is outdated
  store::ResultOptions options;
  options.overwrite = file.overwrite;
  options.provenance.headscope_version = file.version;
  options.provenance.command_line = file.made_by;
  HS_ASSIGN(store::ResultWriter writer, store::ResultWriter::create(file.path, options));
  if (!file.model.empty()) HS_TRY(writer.set_model(file.model));
  HS_TRY(writer.add_graph(graph));
  return writer.commit();
}

} // namespace headscope::gui
