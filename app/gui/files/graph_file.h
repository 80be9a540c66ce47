// SPDX-License-Identifier: GPL-3.0-or-later
// Reads and writes graphs of result files. Jobs of the file thread.
#pragma once

#include <optional>
#include <string>

#include "app/figures/figure.h"
#include "core/base/result.h"
#include "core/store/result_types.h"

namespace headscope::gui {

struct FileState;

// Without a name: the first of the file.
Result<store::Graph> read_graph(FileState& state, const std::string& path, const std::string& name);

// How faithful its circuits are by their share of the edges, as export draws it; nothing where the file does not have
// that.
Result<std::optional<figures::LineFigure>> read_curve(FileState& state, const std::string& path,
                                                      const std::string& name);

// The n strongest edges without those that lie on no path from the input to the logits. Of a graph that has all edges
// of a model; corrupt for others.
Result<store::Graph> connected_circuit(const store::Graph& graph, std::int64_t n);

// Copies a result file, replacing what is there.
Status copy_result(FileState& state, const std::string& from, const std::string& to);

struct GraphFile {
  std::string path;        // a new result file that holds the graph alone
  store::Attributes model; // of the file's /model; may be empty
  std::string made_by;     // the file's command line
  std::string version;     // of Headscope
  bool overwrite = false;
};
// Writes a graph. Returns already_exists for an existing file, unless overwrite.
Status write_graph(FileState& state, const store::Graph& graph, const GraphFile& file);

} // namespace headscope::gui
