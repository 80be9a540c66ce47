// SPDX-License-Identifier: GPL-3.0-or-later
// Lists the result files of a folder, their notes and their provenance. Jobs of the file thread.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/run_control.h"

namespace headscope::gui {

struct FileState;

struct RunInfo {
  std::string path, name; // absolute; its last part
  std::string created;    // UTC, ISO 8601
  std::string model;
  std::string contents; // "detectors: induction, sink; ablation: ioi_zero; 2 maps"
  bool complete = false;
  std::string notes;
  std::string problem; // why it cannot be read; then nothing else is known
};

// Lists every .h5 and .hdf5 file, newest first. Returns not_found where the folder does not exist.
Result<std::vector<RunInfo>> list_runs(const std::string& folder, const RunControl& control);

// Notes are kept beside the file as NAME.h5.notes.md; the result file itself is never changed. An empty text removes
// them.
std::string notes_path(const std::string& path);
Status write_notes(const std::string& path, const std::string& text);

// Attributes as a tree: those of the file, the model and every step's options.
struct ProvenanceNode {
  std::string name, value;
  std::vector<ProvenanceNode> children;
};
Result<ProvenanceNode> read_provenance(FileState& state, const std::string& path);

} // namespace headscope::gui
