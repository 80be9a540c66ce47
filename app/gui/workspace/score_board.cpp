// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/workspace/score_board.h"

#include <algorithm>

namespace headscope::gui {

const HeadScores* ScoreBoard::find(const std::string& id) const {
  const auto found = std::find_if(scores_.begin(), scores_.end(), [&](const HeadScores& s) { return s.id == id; });
  return found == scores_.end() ? nullptr : &*found;
}

void ScoreBoard::put(HeadScores scores) {
  const auto found =
      std::find_if(scores_.begin(), scores_.end(), [&](const HeadScores& s) { return s.id == scores.id; });
  if (found == scores_.end())
    scores_.push_back(std::move(scores));
  else
    *found = std::move(scores);
  Q_EMIT changed();
}

void ScoreBoard::remove_source(const std::string& source) {
  if (std::erase_if(scores_, [&](const HeadScores& s) { return s.source == source; }) > 0) Q_EMIT changed();
}

void ScoreBoard::clear() {
  if (scores_.empty()) return;
  scores_.clear();
  Q_EMIT changed();
}

} // namespace headscope::gui
