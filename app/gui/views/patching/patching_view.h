// SPDX-License-Identifier: GPL-3.0-or-later
// The patching view: a pair of prompts, and a map of what patching each place restores, which fills in layer by layer.
#pragma once

#include <QComboBox>
#include <QLabel>
#include <QStackedLayout>
#include <QTimer>

#include "app/gui/engine/patch_job.h"
#include "app/gui/views/cell_map/cell_map.h"
#include "app/gui/views/view.h"

namespace headscope::gui {

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

protected:
  void showEvent(QShowEvent* event) override;

private:
  void refresh(); // what was put off while hidden
  void read_tokens();
  void take_pair(Result<PatchPairInfo> pair);
  void start();
  void update_stored();
  void load_stored();
  void take_wish(const PatchWish& wish);
  void show_map(PatchMap map);
  void show_message(const QString& text, bool warning);
  void click(Cell cell);
  void mark_selection();
  QString cell_text(Cell cell) const;
  QString column_name(int column) const;

  PairEditor* editor_;
  CellMap* map_;
  QComboBox* stored_;
  QLabel *message_, *empty_;
  QStackedLayout* pages_;
  QTimer wait_; // until typing pauses
  std::optional<PatchPairInfo> pair_;
  PatchPrompts pair_prompts_; // that pair_ was read from
  std::optional<PatchMap> shown_;
  bool run_when_read_ = false, stale_ = true;
};

} // namespace headscope::gui
