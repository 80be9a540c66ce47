// SPDX-License-Identifier: GPL-3.0-or-later
// A summary of a result file, read once when it is opened: names and scores, but no maps. Jobs of the file thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/gui/engine/values.h"
#include "app/gui/workspace/score_board.h"
#include "core/base/result.h"
#include "core/base/run_control.h"
#include "core/store/result_file.h"

namespace headscope::gui {

struct FileState; // app/gui/files/file_state.h
std::shared_ptr<FileState> make_file_state();

struct StoredMap {
  std::string prompt; // its id
  std::vector<HeadId> heads;
  std::int64_t n_query = 0, n_key = 0;
};

struct StoredPrompt {
  std::string id, text;
  std::vector<TokenInfo> tokens;
};

struct ResultSummary {
  std::string path; // absolute
  store::FileInfo info;
  store::Attributes model;
  int n_layers = 0, n_heads = 0;
  std::vector<HeadScores> scores; // detectors with their further maps, ablations
  std::vector<StoredPrompt> prompts;
  std::vector<StoredMap> attention;
  std::vector<std::string> detectors, ablations, patchings, graphs; // names
};

Result<ResultSummary> open_result(FileState& state, const std::string& path, const RunControl& control);

} // namespace headscope::gui
