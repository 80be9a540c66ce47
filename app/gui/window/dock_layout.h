// SPDX-License-Identifier: GPL-3.0-or-later
// Arranges the docks of the views in as many columns as the window has room for. A dock whose name stands on a tab has
// no title of its own.
#pragma once

#include <map>
#include <set>
#include <vector>

#include <QDockWidget>
#include <QMainWindow>
#include <QTimer>

#include "app/gui/views/view_list.h"

namespace headscope::gui {

class DockLayout : public QObject {
  Q_OBJECT
public:
  explicit DockLayout(QMainWindow& window) : QObject(&window), window_(window) {}

  void add(View* view);
  QDockWidget* dock(const QString& id) const; // null when there is none of that id
  const std::map<QString, QDockWidget*>& docks() const { return docks_; }
  // The dock whose tab is at this place of the window; null: there is no tab.
  QDockWidget* at_tab(const QPoint& place) const;
  bool all_hidden() const;

  void reset();
  // Arranges anew when the window has room for another number of columns by now, unless the user has moved docks.
  void fit();

protected:
  bool eventFilter(QObject* object, QEvent* event) override;

private:
  using Column = std::vector<QString>;
  static std::vector<Column> columns(int count);
  int needed(const Column& column) const;
  int fitting_columns() const;
  int present_columns() const; // 0: as the user has made them
  void arrange(const std::vector<Column>& columns);
  void make_room();
  void share_width(const std::vector<Column>& columns);
  void update_titles();

  QMainWindow& window_;
  std::map<QString, QDockWidget*> docks_;
  std::map<QString, View*> views_;
  QTimer titles_, room_;
};

} // namespace headscope::gui
