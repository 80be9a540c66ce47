// SPDX-License-Identifier: GPL-3.0-or-later
// The attention plan in force: which mechanism computes which heads, in all that is computed from now on.
#pragma once

#include <algorithm>

#include <QObject>

#include "app/gui/engine/attention_plan.h"

namespace headscope::gui {

class AttentionState : public QObject {
  Q_OBJECT
public:
  using QObject::QObject;

  const std::string& plan() const { return info_.text; }           // empty: full attention
  const std::vector<HeadId>& heads() const { return info_.heads; } // that a mechanism computes
  bool full() const { return info_.text.empty(); }
  bool changes(HeadId head) const { return std::ranges::find(info_.heads, head) != info_.heads.end(); }

Q_SIGNALS:
  void changed();

private:
  friend class Workspace; // which reads plans on the engine's thread before they are in force
  void set(PlanInfo info) {
    if (info.text == info_.text) return;
    info_ = std::move(info);
    Q_EMIT changed();
  }
  PlanInfo info_;
};

} // namespace headscope::gui
