// SPDX-License-Identifier: GPL-3.0-or-later
// What is being looked at: one for the whole window, so that a selection in one view moves all others. A setter that
// changes nothing says nothing.
#pragma once

#include <optional>
#include <vector>

#include <QObject>

#include "app/gui/engine/values.h"

namespace headscope::gui {

class Selection : public QObject {
  Q_OBJECT
public:
  using QObject::QObject;

  // The head that every view shows; unset before anything is open.
  std::optional<HeadId> head() const;
  // All that are selected, in order of selection; the last is head().
  const std::vector<HeadId>& heads() const { return heads_; }
  bool contains(HeadId head) const;
  void set_head(HeadId head) { set_heads({head}); }
  void set_heads(std::vector<HeadId> heads);
  void toggle_head(HeadId head); // adds it, or takes it out

  // Views show this head alone, whatever else is selected.
  bool isolated() const { return isolated_; }
  void set_isolated(bool isolated);

  // Pinned token positions of the prompt.
  std::optional<int> query() const { return query_; }
  std::optional<int> key() const { return key_; }
  void set_tokens(std::optional<int> query, std::optional<int> key);

Q_SIGNALS:
  void heads_changed();
  void tokens_changed();

private:
  std::vector<HeadId> heads_;
  bool isolated_ = false;
  std::optional<int> query_, key_;
};

} // namespace headscope::gui
