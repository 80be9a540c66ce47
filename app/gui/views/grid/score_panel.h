// SPDX-License-Identifier: GPL-3.0-or-later
// One score of the head grid: its choice, its map or its list, and the value under the pointer.
#pragma once

#include <QFrame>

#include "app/gui/models/head_filter.h"
#include "app/gui/workspace/workspace.h"

class QComboBox;
class QLabel;
class QMenu;
class QStackedWidget;
class QTableView;
class QToolButton;

namespace headscope::gui {

class HeadGrid;
class HeadListModel;
class OriginMark;

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
  // What can be done with a head; the caller owns it.
  QMenu* head_menu(HeadId head);
  // The command line that gives the numbers shown, or why there is none.
  QString command() const;
  QString why_no_command() const;

  HeadGrid& grid() { return *grid_; }
  HeadListModel& list_model() { return *list_; }

Q_SIGNALS:
  void remove_wanted();
  // Only the heads at or above the threshold of a score, or those whose name begins like this.
  void kind_wanted(const QString& score_id);
  void layer_wanted(const QString& prefix);

private:
  void take_up_scores();
  bool is_enabled(int item) const;
  int first_enabled() const; // -1: none
  void add_kinds(QMenu& menu, HeadId head);
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
  OriginMark* mark_;
  HeadListModel* list_;
  QTableView* table_;
  QLabel* value_;
};

} // namespace headscope::gui
