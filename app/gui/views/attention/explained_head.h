// SPDX-License-Identifier: GPL-3.0-or-later
// What the mechanism of the selected head says of its choices on the prompt in force: asked of the engine when somebody
// looks, and forgotten when anything it is of changes.
#pragma once

#include <optional>
#include <vector>

#include <QObject>

#include "app/gui/workspace/workspace.h"
#include "core/mechanisms/explanation.h"

namespace headscope::gui {

class ExplainedHead : public QObject {
  Q_OBJECT
public:
  explicit ExplainedHead(Workspace& workspace, QObject* parent = nullptr);

  // Asks about this head, if a mechanism computes it; unset: about none.
  void look_at(std::optional<HeadId> head);
  std::optional<HeadId> head() const { return head_; }
  const std::vector<mechanisms::Explanation>& all() const { return all_; }

Q_SIGNALS:
  void changed();

private:
  void ask();

  Workspace& workspace_;
  std::optional<HeadId> head_;
  std::vector<mechanisms::Explanation> all_;
};

} // namespace headscope::gui
