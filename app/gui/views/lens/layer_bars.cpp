// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/lens/layer_bars.h"

#include <algorithm>
#include <cmath>

#include <QHelpEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>

#include "app/figures/graph_look.h"
#include "app/gui/style/theme.h"

namespace headscope::gui {
namespace {

QString number(double value) { return QString::number(value, 'g', 3).replace(QLatin1Char('-'), QChar(0x2212)); }

QColor color_of(bool mlp) {
  return QColor(QRgb(figures::node_ink(mlp ? figures::NodeKind::mlp : figures::NodeKind::head, is_dark()).line));
}

} // namespace

LayerBars::LayerBars(QWidget* parent) : QWidget(parent) {
  setMinimumHeight(fontMetrics().height() * 7);
  setAccessibleName(tr("Direct logit attribution of each layer"));
}

void LayerBars::set_map(const AttributionMap& map) {
  map_ = map;
  largest_ = std::abs(map.input);
  for (const auto* values : {&map.attention, &map.mlps})
    for (const double value : *values)
      largest_ = std::max(largest_, std::abs(value));
  if (largest_ <= 0) largest_ = 1.0;
  update();
}

void LayerBars::set_current(std::optional<int> layer) {
  current_ = layer;
  update();
}

double LayerBars::value(int layer, bool mlp) const {
  if (layer < 0) return mlp ? 0.0 : map_.input;
  return (mlp ? map_.mlps : map_.attention)[static_cast<std::size_t>(layer)];
}

QRectF LayerBars::plot() const {
  const QFontMetrics metrics = fontMetrics();
  const int left = metrics.horizontalAdvance(QStringLiteral("−0.001")) + metrics.averageCharWidth() * 2;
  return QRectF(rect()).adjusted(left, metrics.height() * 1.4, -metrics.averageCharWidth(), -metrics.height() * 1.2);
}

QRectF LayerBars::bar_rect(int layer, bool mlp) const {
  const QRectF area = plot();
  const double place = area.width() / (map_.n_layers + 1), bar = place * 0.4;
  const double x = area.left() + place * (layer + 1) + place * 0.1 + (mlp ? bar : 0.0);
  const double middle = area.center().y(), to = middle - value(layer, mlp) / largest_ * area.height() / 2;
  return {x, std::min(middle, to), layer < 0 ? 2 * bar : bar, std::abs(to - middle)};
}

std::optional<int> LayerBars::layer_at(QPointF place) const {
  const QRectF area = plot();
  if (map_.n_layers == 0 || !area.contains(place)) return std::nullopt;
  return static_cast<int>((place.x() - area.left()) / area.width() * (map_.n_layers + 1)) - 1;
}

void LayerBars::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  painter.fillRect(rect(), inks().page);
  if (map_.n_layers == 0) return;
  const QRectF area = plot();
  const QFontMetrics metrics = fontMetrics();
  const double place = area.width() / (map_.n_layers + 1);
  if (current_)
    painter.fillRect(QRectF(area.left() + place * (*current_ + 1), area.top(), place, area.height()), inks().grid);
  painter.setPen(inks().muted);
  for (const auto& [share, at] : {std::pair(0.0, largest_), {0.5, 0.0}, {1.0, -largest_}}) {
    const double y = area.top() + share * area.height();
    painter.drawText(QRectF(0, y - metrics.height() / 2.0, area.left() - metrics.averageCharWidth(), metrics.height()),
                     Qt::AlignRight | Qt::AlignVCenter, number(at));
  }
  painter.setPen(QPen(inks().grid, 1));
  painter.drawLine(QPointF(area.left(), area.center().y()), QPointF(area.right(), area.center().y()));
  painter.fillRect(bar_rect(-1, false), QColor(QRgb(figures::node_ink(figures::NodeKind::input, is_dark()).line)));
  for (int layer = 0; layer < map_.n_layers; ++layer)
    for (const bool mlp : {false, true})
      painter.fillRect(bar_rect(layer, mlp), color_of(mlp));
  painter.setPen(inks().muted);
  const int step = std::max(1, static_cast<int>(std::ceil(metrics.horizontalAdvance(QStringLiteral("000")) / place)));
  for (int layer = 0; layer < map_.n_layers; layer += step)
    painter.drawText(
        QRectF(area.left() + place * (layer + 1) - place, area.bottom(), 3 * place, metrics.height() * 1.2),
        Qt::AlignCenter, QString::number(layer));
  double x = area.left();
  for (const auto& [name, color] :
       {std::pair(tr("embedding"), QColor(QRgb(figures::node_ink(figures::NodeKind::input, is_dark()).line))),
        {tr("attention"), color_of(false)},
        {tr("MLP"), color_of(true)}}) {
    const int side = metrics.ascent() * 3 / 4;
    painter.fillRect(QRectF(x, (metrics.height() - side) / 2.0 + 1, side, side), color);
    painter.setPen(inks().text);
    painter.drawText(QPointF(x + side * 1.4, metrics.ascent() + 1), name);
    x += side * 1.4 + metrics.horizontalAdvance(name) + metrics.averageCharWidth() * 2;
  }
}

void LayerBars::mousePressEvent(QMouseEvent* event) {
  if (const auto layer = layer_at(event->position()); layer && *layer >= 0) Q_EMIT layer_clicked(*layer);
}

bool LayerBars::event(QEvent* event) {
  if (event->type() != QEvent::ToolTip) return QWidget::event(event);
  const auto* help = static_cast<QHelpEvent*>(event);
  const std::optional<int> layer = layer_at(help->pos());
  QString text;
  if (layer && *layer < 0)
    text = tr("embedding: %1").arg(number(map_.input));
  else if (layer)
    text =
        tr("layer %1: attention %2, MLP %3").arg(*layer).arg(number(value(*layer, false)), number(value(*layer, true)));
  QToolTip::showText(help->globalPos(), text, this);
  return true;
}

} // namespace headscope::gui
