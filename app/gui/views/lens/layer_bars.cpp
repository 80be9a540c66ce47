// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/lens/layer_bars.h"

#include <algorithm>
#include <cmath>

#include <QChart>
#include <QHelpEvent>
#include <QMouseEvent>
#include <QToolTip>

namespace headscope::gui {
namespace {

QString number(double value) { return QString::number(value, 'g', 3).replace(QLatin1Char('-'), QChar(0x2212)); }

} // namespace

LayerBars::LayerBars(QWidget* parent) : ChartView(tr("Direct logit attribution of each layer"), parent) {}

void LayerBars::set_map(const AttributionMap& map) {
  map_ = map;
  show_layers(*chart(), {map.input, map.attention, map.mlps});
  mark_layer(*chart(), current_);
  QStringList spoken{tip(-1)};
  for (int layer = 0; layer < map.n_layers; ++layer)
    spoken.append(tip(layer));
  setAccessibleDescription(spoken.join(QStringLiteral("; ")));
}

void LayerBars::set_current(std::optional<int> layer) {
  current_ = layer;
  mark_layer(*chart(), layer);
}

double LayerBars::value(int layer, bool mlp) const {
  if (layer < 0) return mlp ? 0.0 : map_.input;
  return (mlp ? map_.mlps : map_.attention)[static_cast<std::size_t>(layer)];
}

QString LayerBars::tip(int layer) const {
  if (layer < 0) return tr("embedding: %1").arg(number(map_.input));
  return tr("layer %1: attention %2, MLP %3").arg(layer).arg(number(value(layer, false)), number(value(layer, true)));
}

QRectF LayerBars::bar_rect(int layer, bool mlp) const {
  const double left = mlp ? layer : layer - layer_bar, right = mlp || layer < 0 ? layer + layer_bar : layer;
  return QRectF(chart()->mapToPosition({left, value(layer, mlp)}), chart()->mapToPosition({right, 0.0})).normalized();
}

std::optional<int> LayerBars::layer_at(QPointF place) const {
  if (map_.n_layers == 0 || !chart()->plotArea().contains(place)) return std::nullopt;
  const long layer = std::lround(chart()->mapToValue(place).x());
  return static_cast<int>(std::clamp<long>(layer, -1, map_.n_layers - 1));
}

void LayerBars::mousePressEvent(QMouseEvent* event) {
  if (const auto layer = layer_at(event->position()); layer && *layer >= 0) Q_EMIT layer_clicked(*layer);
}

bool LayerBars::viewportEvent(QEvent* event) {
  if (event->type() != QEvent::ToolTip) return ChartView::viewportEvent(event);
  const auto* help = static_cast<QHelpEvent*>(event);
  const std::optional<int> layer = layer_at(help->pos());
  QToolTip::showText(help->globalPos(), layer ? tip(*layer) : QString(), this);
  return true;
}

} // namespace headscope::gui
