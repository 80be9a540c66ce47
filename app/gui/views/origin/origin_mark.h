// SPDX-License-Identifier: GPL-3.0-or-later
// Lies over a part of a view and dims it, with the reason, while what that part shows is not of what is in force.
#pragma once

#include <optional>

#include <QWidget>

#include "app/gui/workspace/workspace.h"

namespace headscope::gui {

class OriginMark : public QWidget {
  Q_OBJECT
public:
  // Becomes a child of `over` and keeps its size; the reason stands at `edge`, the top or the bottom.
  OriginMark(Workspace& workspace, QWidget* over, Qt::Edge edge = Qt::TopEdge);

  // What is shown now was made of this; unset: nothing is shown that could be outdated.
  void set_origin(std::optional<Origin> origin);
  const std::optional<Origin>& origin() const { return origin_; }

  bool outdated() const { return !why_.isEmpty(); }
  const QString& text() const { return text_; } // as it stands on the screen; empty: nothing does

protected:
  bool eventFilter(QObject* watched, QEvent* event) override;
  void paintEvent(QPaintEvent* event) override;

private:
  void update_text();
  void lie_over();
  QRect strip() const;

  Workspace& workspace_;
  Qt::Edge edge_;
  std::optional<Origin> origin_;
  QString why_, text_;
};

} // namespace headscope::gui
