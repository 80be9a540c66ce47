// SPDX-License-Identifier: GPL-3.0-or-later
// The base of every view: a widget over the shared workspace that can export what it shows as a figure.
#pragma once

#include <optional>

#include <QCoreApplication>
#include <QShowEvent>
#include <QWidget>

#include "app/figures/figure.h"
#include "app/figures/table.h"
#include "app/gui/workspace/workspace.h"

namespace headscope::gui {

// What export and copy write.
struct ViewExport {
  QString name; // begins the file names: "attention-18.6"
  figures::Figure figure;
  // The numbers behind the figure, for CSV and NPY; unset for a map, whose own numbers are used.
  std::optional<figures::Table> table;
};

class View : public QWidget {
  Q_OBJECT
public:
  // `id` names the view on the command line and in the session, e.g. "attention"; `title` is that of its tab.
  View(Workspace& workspace, const QString& id, const QString& title, QWidget* parent)
      : QWidget(parent), workspace_(workspace), id_(id), title_(title) {
    setObjectName(id);
    setAccessibleName(title);
  }

  const QString& id() const { return id_; }
  const QString& title() const { return title_; }

  // Returns what to export, or nothing when there is nothing.
  virtual std::optional<ViewExport> exported() const { return std::nullopt; }
  // Returns false while what is shown will still change by itself although no job is running.
  virtual bool settled() const { return true; }
  // Whether anybody can see it. A view computes nothing for itself while nobody does, and catches up in showEvent().
  bool watched() const { return isVisible() && !covered_; }
  // By another tab of its dock: Qt counts such a widget as visible. What comes to the front is shown once more.
  void set_covered(bool covered) {
    if (covered == covered_) return;
    covered_ = covered;
    if (!watched()) return;
    QShowEvent shown;
    QCoreApplication::sendEvent(this, &shown);
  }

protected:
  Workspace& workspace() const { return workspace_; }

private:
  Workspace& workspace_;
  QString id_, title_;
  bool covered_ = false;
};

} // namespace headscope::gui
