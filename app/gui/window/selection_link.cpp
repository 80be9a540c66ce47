// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/selection_link.h"

#include <algorithm>

#include <QScopedValueRollback>

namespace headscope::gui {
namespace {

// Where a token begins in the text, in bytes.
std::size_t begin_of(const std::vector<TokenInfo>& tokens, std::size_t position) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < position; ++i)
    if (!tokens[i].special) bytes += tokens[i].text.size();
  return bytes;
}

} // namespace

std::optional<int> same_token(const std::vector<TokenInfo>& from, int position, const std::vector<TokenInfo>& to) {
  const auto at = static_cast<std::size_t>(position);
  if (position < 0 || at >= from.size()) return std::nullopt;
  if (from[at].special) return at < to.size() && to[at].special ? std::optional(position) : std::nullopt;
  const std::size_t begin = begin_of(from, at);
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < to.size() && bytes <= begin; ++i) {
    if (to[i].special) continue;
    if (bytes == begin && to[i].text == from[at].text) return static_cast<int>(i);
    bytes += to[i].text.size();
  }
  return std::nullopt;
}

void SelectionLink::add(Workspace& workspace) {
  workspaces_.emplace_back(&workspace);
  connect(&workspace.selection(), &Selection::heads_changed, this, [this, &workspace] { follow_heads(workspace); });
  connect(&workspace.selection(), &Selection::tokens_changed, this, [this, &workspace] { follow_tokens(workspace); });
  connect(&workspace, &QObject::destroyed, this, &SelectionLink::changed);
  Q_EMIT changed();
}

void SelectionLink::set_on(bool on) {
  if (on == on_) return;
  on_ = on;
  Q_EMIT changed();
}

bool SelectionLink::links() const {
  return std::count_if(workspaces_.begin(), workspaces_.end(), [](const auto& each) { return !each.isNull(); }) > 1;
}

// A window that has none of the heads keeps its own.
void SelectionLink::follow_heads(const Workspace& leader) {
  if (!on_ || busy_) return;
  const QScopedValueRollback quiet(busy_, true);
  for (const QPointer<Workspace>& each : workspaces_) {
    if (!each || each == &leader) continue;
    std::vector<HeadId> heads = leader.selection().heads();
    std::erase_if(heads, [&](HeadId head) { return head.layer >= each->n_layers() || head.head >= each->n_heads(); });
    if (heads.empty()) continue;
    each->selection().set_heads(heads);
    each->selection().set_isolated(leader.selection().isolated());
  }
}

void SelectionLink::follow_tokens(const Workspace& leader) {
  if (!on_ || busy_) return;
  const QScopedValueRollback quiet(busy_, true);
  const std::vector<TokenInfo>& from = leader.prompt().tokens();
  for (const QPointer<Workspace>& each : workspaces_) {
    if (!each || each == &leader) continue;
    const std::vector<TokenInfo>& to = each->prompt().tokens();
    const auto found = [&](std::optional<int> token) { return token ? same_token(from, *token, to) : std::nullopt; };
    const std::optional<int> query = found(leader.selection().query()), key = found(leader.selection().key());
    const bool lost = (leader.selection().query() && !query) || (leader.selection().key() && !key);
    if (!lost) each->selection().set_tokens(query, key);
  }
}

} // namespace headscope::gui
