// SPDX-License-Identifier: GPL-3.0-or-later
// The patching view: a pair of prompts, and a map of what patching each place restores, which fills in layer by layer.
#pragma once

#include <QComboBox>
#include <QLabel>
#include <QStackedLayout>
#include <QTimer>
#include <QToolButton>

#include "app/gui/engine/patch_job.h"
#include "app/gui/views/cell_map/cell_map.h"
#include "app/gui/views/view.h"

namespace headscope::gui {

class FoldingColumn;
class OriginMark;

class PairEditor;

class PatchingView : public View {
  Q_OBJECT
public:
  PatchingView(Workspace& workspace, QWidget* parent);

  std::optional<ViewExport> exported() const override;
  bool settled() const override { return !wait_.isActive(); }

  PairEditor& editor() { return *editor_; }
  CellMap& map() { return *map_; }
  const std::optional<PatchMap>& measured() const { return shown_; }
  QString message() const { return message_->text(); }
  void run(); // with the pair as it is typed
  // Each head at a position alone, of one layer or of all; the map as it was comes back by back().
  void patch_heads_at(int position, std::optional<int> layer);
  void back();
  QString command() const; // that gives the map shown; empty: none is known

protected:
  void showEvent(QShowEvent* event) override;

private:
  void refresh(); // what was put off while hidden
  void read_tokens();
  void take_task(const QString& name);
  void take_pair(Result<PatchPairInfo> pair);
  void start(const PatchSettings& settings);
  QWidget* make_tools();
  void offer_heads();
  void keep(const PatchMap& map, const Origin& made_of);
  void keep_as_score(const PatchMap& map, const Origin& made_of);
  void restore();
  void follow_texts();
  void update_stored();
  void load_stored();
  void take_wish(const PatchWish& wish);
  void show_map(PatchMap map);
  void show_message(const QString& text, bool warning);
  void click(Cell cell);
  void show_cell_menu(Cell cell, const QPoint& place);
  HeadId head_of(Cell cell) const; // of a map by head; of a K/V head the first query head that reads it
  void mark_selection();
  QString cell_text(Cell cell) const;
  QString map_text() const;
  QString column_name(int column) const;

  PairEditor* editor_;
  OriginMark* mark_ = nullptr;
  CellMap* map_;
  FoldingColumn* parts_ = nullptr;
  QComboBox* stored_;
  QLabel *message_, *empty_;
  QStackedLayout* pages_;
  QToolButton *heads_ = nullptr, *back_ = nullptr, *copy_ = nullptr;
  QTimer wait_; // until typing pauses
  std::optional<PatchPairInfo> pair_;
  PatchPrompts pair_prompts_; // that pair_ was read from
  std::optional<PatchMap> shown_;
  std::optional<PatchMap> before_; // the map from which heads at a position were asked for
  std::uint64_t task_seed_ = 0;    // of the next pair that is taken of a task
  bool run_when_read_ = false, stale_ = true;
};

} // namespace headscope::gui
