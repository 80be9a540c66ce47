// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/workspace/selection.h"

#include <algorithm>

namespace headscope::gui {

std::optional<HeadId> Selection::head() const {
  if (heads_.empty()) return std::nullopt;
  return heads_.back();
}

bool Selection::contains(HeadId head) const { return std::find(heads_.begin(), heads_.end(), head) != heads_.end(); }

void Selection::set_heads(std::vector<HeadId> heads) {
  if (heads == heads_) return;
  heads_ = std::move(heads);
  if (heads_.size() != 1) isolated_ = false;
  Q_EMIT heads_changed();
}

void Selection::toggle_head(HeadId head) {
  std::vector<HeadId> heads = heads_;
  if (std::erase(heads, head) == 0) heads.push_back(head);
  set_heads(std::move(heads));
}

void Selection::set_isolated(bool isolated) {
  if (isolated == isolated_) return;
  isolated_ = isolated;
  Q_EMIT heads_changed();
}

void Selection::set_tokens(std::optional<int> query, std::optional<int> key) {
  if (query == query_ && key == key_) return;
  query_ = query;
  key_ = key;
  Q_EMIT tokens_changed();
}

} // namespace headscope::gui
