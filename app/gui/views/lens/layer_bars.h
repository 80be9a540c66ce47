// SPDX-License-Identifier: GPL-3.0-or-later
// Draws two bars for each layer, attention and MLP, with the input before the first.
#pragma once

#include <optional>
#include <vector>

#include <QWidget>

#include "app/gui/engine/lens_job.h"

namespace headscope::gui {

class LayerBars : public QWidget {
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
  void paintEvent(QPaintEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  bool event(QEvent* event) override;

private:
  std::optional<int> layer_at(QPointF place) const;
  QRectF plot() const;
  double value(int layer, bool mlp) const;

  AttributionMap map_;
  double largest_ = 1.0;
  std::optional<int> current_;
};

} // namespace headscope::gui
