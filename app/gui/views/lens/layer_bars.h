// SPDX-License-Identifier: GPL-3.0-or-later
// Draws two bars for each layer, attention and MLP, with the input before the first.
#pragma once

#include <optional>

#include "app/gui/engine/lens_job.h"
#include "app/gui/views/charts.h"

namespace headscope::gui {

class LayerBars : public ChartView {
  Q_OBJECT
public:
  explicit LayerBars(QWidget* parent = nullptr);

  void set_map(const AttributionMap& map);
  void set_current(std::optional<int> layer);
  // The rectangle of a layer's bar; layer -1: the input.
  QRectF bar_rect(int layer, bool mlp) const;

Q_SIGNALS:
  void layer_clicked(int layer);

protected:
  void mousePressEvent(QMouseEvent* event) override;
  bool viewportEvent(QEvent* event) override;

private:
  std::optional<int> layer_at(QPointF place) const;
  double value(int layer, bool mlp) const;
  QString tip(int layer) const;

  AttributionMap map_;
  std::optional<int> current_;
};

} // namespace headscope::gui
