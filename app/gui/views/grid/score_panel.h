// SPDX-License-Identifier: GPL-3.0-or-later
// One score of the head grid: its choice, its map or its list, and the value under the pointer.
#pragma once

#include <QFrame>

#include "app/gui/models/head_filter.h"
#include "app/gui/workspace/workspace.h"

class QComboBox;
class QLabel;
class QStackedWidget;
class QTableView;
class QToolButton;

namespace headscope::gui {

class HeadGrid;
class HeadListModel;

class ScorePanel : public QFrame {
  Q_OBJECT
public:
  explicit ScorePanel(Workspace& workspace, QWidget* parent = nullptr);

  void set_filter(const HeadFilter& filter);
  void set_list_mode(bool list);
  void set_removable(bool removable);
  // Chooses the score of that id where it exists, otherwise the first.
  void choose(const QString& id);
  QString score_id() const;
  const HeadScores* scores() const; // null when there is none

  HeadGrid& grid() { return *grid_; }
  HeadListModel& list_model() { return *list_; }

Q_SIGNALS:
  void remove_wanted();

private:
  void take_up_scores();
  void show_scores();
  void show_selection();
  void show_ablated();
  void show_value(std::optional<HeadId> head);
  void click(HeadId head, Qt::KeyboardModifiers modifiers);

  Workspace& workspace_;
  HeadFilter filter_;
  QString wanted_;
  QComboBox* choice_;
  QToolButton* remove_;
  QStackedWidget* stack_;
  HeadGrid* grid_;
  HeadListModel* list_;
  QTableView* table_;
  QLabel* value_;
};

} // namespace headscope::gui
