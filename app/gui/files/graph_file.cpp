// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/files/graph_file.h"

#include "app/gui/files/file_state.h"

namespace headscope::gui {

Result<store::Graph> read_graph(FileState& state, const std::string& path, const std::string& name) {
  HS_ASSIGN(const store::ResultReader* reader, state.reader(path));
  return reader->graph(name);
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
