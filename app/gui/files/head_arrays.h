// SPDX-License-Identifier: GPL-3.0-or-later
// Every score of heads that a result file holds, whatever method wrote it. One rule: an array [layer, head] of numbers
// that are no counts is a score; where a group has none, one [prompt, layer, head] or [pair, layer, head] is, as its
// mean.
#pragma once

#include <vector>

#include "app/gui/workspace/score_board.h"
#include "core/base/result.h"
#include "core/store/result_reader.h"

namespace headscope::gui {

struct FileModel {
  std::string sha256; // empty: the file does not say
  int n_layers = 0, n_heads = 0;
};

// In the order of the file, detectors and ablations first.
Result<std::vector<HeadScores>> head_arrays(const store::ResultReader& reader, const FileModel& model,
                                            const std::string& path);

} // namespace headscope::gui
