// SPDX-License-Identifier: GPL-3.0-or-later
// Compares two runs side by side: where a score differs.
#pragma once

#include <optional>

#include <QWidget>

#include "app/gui/models/score_difference.h"
#include "app/gui/workspace/workspace.h"

class QComboBox;
class QLabel;
class QTableView;

namespace headscope::gui {

class HeadGrid;
class HeadListModel;

class ComparePanel : public QWidget {
  Q_OBJECT
public:
  explicit ComparePanel(Workspace& workspace, QWidget* parent = nullptr);

  void set_runs(const std::vector<std::pair<QString, QString>>& runs); // name, path
  void choose(const QString& a, const QString& b);                     // paths
  const std::optional<ScoreDifference>& difference() const { return difference_; }

private:
  void load();
  void show_scores();
  void show_difference();
  void keep_as_score();

  Workspace& workspace_;
  QComboBox *a_, *b_, *score_;
  QLabel* summary_;
  HeadGrid* grid_;
  HeadListModel* heads_;
  QTableView* table_;
  std::vector<HeadScores> scores_a_, scores_b_;
  std::optional<ScoreDifference> difference_;
};

} // namespace headscope::gui
