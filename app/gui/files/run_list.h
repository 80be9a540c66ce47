// SPDX-License-Identifier: GPL-3.0-or-later
// The result files of a folder, their notes and their provenance. Jobs of the file thread.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/task.h"

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

// Every .h5 and .hdf5 file, newest first. Returns not_found for a folder that is not there.
Result<std::vector<RunInfo>> list_runs(const std::string& folder, const TaskContext& task);

// Text kept beside the file as NAME.h5.notes.md; the result file itself is never changed. An empty text removes it.
std::string notes_path(const std::string& path);
Status write_notes(const std::string& path, const std::string& text);

// Attributes as a tree: of the file, of the model, of every step's options.
struct ProvenanceNode {
  std::string name, value;
  std::vector<ProvenanceNode> children;
};
Result<ProvenanceNode> read_provenance(FileState& state, const std::string& path);

} // namespace headscope::gui
