// SPDX-License-Identifier: GPL-3.0-or-later
// Reads and writes graphs of result files. Jobs of the file thread.
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/store/result_types.h"

namespace headscope::gui {

struct FileState;

Result<store::Graph> read_graph(FileState& state, const std::string& path, const std::string& name);

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
