// SPDX-License-Identifier: GPL-3.0-or-later
// The head grid view: scores of all heads, several side by side, filtered and sorted.
#pragma once

#include "app/gui/engine/live_scores_job.h"
#include "app/gui/models/head_filter.h"
#include "app/gui/views/view.h"

class QCheckBox;
class QDoubleSpinBox;
class QLineEdit;
class QMenu;
class QSpinBox;
class QSplitter;
class QToolButton;

namespace headscope::gui {

class ScorePanel;
class SweepBar;

class GridView : public View {
  Q_OBJECT
public:
  explicit GridView(Workspace& workspace, QWidget* parent);

  std::optional<ViewExport> exported() const override;
  ScorePanel* add_grid();
  const std::vector<ScorePanel*>& grids() const { return panels_; }
  SweepBar& sweep_bar() { return *sweep_; }
  // The first grid's score less the second's, as a further score.
  void subtract();

protected:
  void showEvent(QShowEvent* event) override;

private:
  QWidget* make_bar();
  void add_to_menu(QMenu& menu);
  void remove_grid(ScorePanel* panel);
  void show_kind(ScorePanel& panel, const QString& score_id);
  void apply_filter();
  void score_prompt();
  void take_live(const LiveScores& scores, const Origin& origin);
  HeadFilter filter() const;

  std::vector<ScorePanel*> panels_;
  QSplitter* splitter_;
  QLineEdit* text_ = nullptr;
  QSpinBox* top_ = nullptr;
  QDoubleSpinBox* minimum_ = nullptr;
  QCheckBox* above_ = nullptr;
  QToolButton* list_ = nullptr;
  SweepBar* sweep_ = nullptr;
  std::vector<std::int64_t> scored_; // the tokens that the live scores are of
  std::string scored_under_;         // and the attention plan
};

} // namespace headscope::gui
