// SPDX-License-Identifier: GPL-3.0-or-later
// The base of every view: a widget over the shared workspace that can export what it shows as a figure.
#pragma once

#include <optional>

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
  // Whether another view can do without this one at first: such a view computes nothing while hidden.
  bool watched() const { return isVisible(); }

protected:
  Workspace& workspace() const { return workspace_; }

private:
  Workspace& workspace_;
  QString id_, title_;
};

} // namespace headscope::gui
