// SPDX-License-Identifier: GPL-3.0-or-later
// Which heads of a score are wanted, and their order.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/gui/workspace/score_board.h"

namespace headscope::gui {

struct HeadFilter {
  std::optional<double> minimum; // of the value, of its size where both signs mean something
  int top = 0;                   // only the strongest so many; 0: all
  bool above_threshold = false;  // where the score has one
  std::string text;              // the label begins with it: "18.", "18.6"
  friend bool operator==(const HeadFilter&, const HeadFilter&) = default;
};

// Measured heads, strongest first: by value, or by magnitude where both signs are meaningful; then by layer and head.
std::vector<HeadId> ranked_heads(const HeadScores& scores);

// One flag per head [layer, head]. A head that was not measured matches by its label alone.
std::vector<bool> matching_heads(const HeadScores& scores, const HeadFilter& filter);

} // namespace headscope::gui
