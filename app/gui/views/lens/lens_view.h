// SPDX-License-Identifier: GPL-3.0-or-later
// The lens view: the logit lens of the prompt, and which parts of the model write the answer.
#pragma once

#include <QComboBox>
#include <QLabel>
#include <QLineEdit>
#include <QStackedLayout>
#include <QTabWidget>
#include <QTimer>

#include "app/gui/engine/lens_job.h"
#include "app/gui/views/cell_map/cell_map.h"
#include "app/gui/views/view.h"

namespace headscope::gui {

class LayerBars;
class OriginMark;

class LensView : public View {
  Q_OBJECT
public:
  enum class Color { probability, entropy, divergence, followed_probability, followed_logit, followed_rank };

  LensView(Workspace& workspace, QWidget* parent);

  std::optional<ViewExport> exported() const override;
  bool settled() const override { return !wait_.isActive(); }

  void set_color(Color color);
  const std::optional<LensMap>& lens() const { return lens_; }
  const std::optional<AttributionMap>& attribution() const { return attribution_; }
  CellMap& lens_map() { return *map_; }
  CellMap& head_map() { return *heads_; }
  LayerBars& bars() { return *bars_; }

protected:
  void showEvent(QShowEvent* event) override;

private:
  QWidget* make_lens_page();
  QWidget* make_attribution_page();
  void refresh();
  void ask_lens();
  void ask_attribution();
  void show_lens();
  void show_attribution();
  void click_lens(Cell cell);
  void click_head(Cell cell);
  void show_lens_menu(Cell cell, const QPoint& place);
  void mark_selection();
  double lens_value(int row, int position) const;
  figures::ColorScale lens_scale() const;
  QString lens_tip(Cell cell) const;
  std::optional<ViewExport> export_lens() const;
  std::optional<ViewExport> export_attribution() const;
  Color color() const { return static_cast<Color>(color_->currentData().toInt()); }

  QLabel *empty_, *lens_note_, *attribution_note_;
  QStackedLayout* pages_;
  QTabWidget* tabs_;
  QLineEdit *follow_, *answer_, *wrong_;
  QComboBox* color_;
  CellMap *map_, *heads_;
  LayerBars* bars_;
  OriginMark *lens_mark_ = nullptr, *attribution_mark_ = nullptr;
  QTimer wait_; // until typing pauses
  std::optional<LensMap> lens_;
  std::optional<AttributionMap> attribution_;
  std::vector<TokenInfo> lens_tokens_; // of the prompt that lens_ is of
  bool stale_ = true;
};

} // namespace headscope::gui
