// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/circuit/graph_margins.h"

#include <algorithm>

#include <QPainter>

#include "app/gui/style/theme.h"
#include "app/gui/views/circuit/edge_layer.h"

namespace headscope::gui {
namespace {

constexpr int line_length = 34, gap = 5, between = 18, row_gap = 2; // of the legend, in pixels

} // namespace

// ---- Layers

LayerRuler::LayerRuler(QWidget* parent) : QWidget(parent) { setAccessibleName(tr("Layers")); }

void LayerRuler::set_bands(std::vector<figures::FigureBand> bands, bool rightwards) {
  bands_ = std::move(bands);
  rightwards_ = rightwards;
  std::sort(bands_.begin(), bands_.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
  update();
}

void LayerRuler::set_view(const QTransform& to_view) {
  if (to_view == to_view_) return;
  to_view_ = to_view;
  update();
}

int LayerRuler::extent() const {
  if (bands_.empty()) return 0;
  if (rightwards_) return fontMetrics().height() + 6;
  int widest = 0;
  for (const figures::FigureBand& band : bands_)
    widest = std::max(widest, fontMetrics().horizontalAdvance(QString::fromStdString(band.label)));
  return widest + 2 * fontMetrics().averageCharWidth();
}

std::vector<LayerRuler::Name> LayerRuler::names() const {
  std::vector<Name> out;
  double free_from = -1e9; // names that would touch the one before are left out
  for (const figures::FigureBand& band : bands_) {
    const QPointF place = to_view_.map(rightwards_ ? QPointF(band.at, 0) : QPointF(0, band.at));
    const double at = rightwards_ ? place.x() : place.y();
    const QString text = QString::fromStdString(band.label);
    const double size = rightwards_ ? fontMetrics().horizontalAdvance(text) : fontMetrics().height();
    const double from = at - size / 2;
    if (from < free_from || from < 0 || at + size / 2 > (rightwards_ ? width() : height())) continue;
    free_from = from + size + (rightwards_ ? fontMetrics().averageCharWidth() : 0);
    out.push_back({from, text});
  }
  return out;
}

QStringList LayerRuler::shown() const {
  QStringList out;
  for (const Name& name : names())
    out.append(name.text);
  return out;
}

void LayerRuler::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  painter.fillRect(rect(), inks().page);
  painter.setPen(inks().muted);
  for (const Name& name : names()) {
    const double ascent = fontMetrics().ascent();
    painter.drawText(rightwards_ ? QPointF(name.from, ascent + 3)
                                 : QPointF(fontMetrics().averageCharWidth(), name.from + ascent),
                     name.text);
  }
}

// ---- Legend

GraphLegend::GraphLegend(QWidget* parent) : QWidget(parent) { setAccessibleName(tr("Legend")); }

void GraphLegend::set_figure(const figures::GraphFigure& figure, double largest) {
  largest_ = largest;
  keys_.clear();
  QStringList spoken;
  if (!figure.edges.empty()) {
    keys_ = figures::graph_keys(figure, largest);
    if (const std::string name = figures::values_name(figure); !name.empty())
      keys_.insert(keys_.begin(), {name + ":", 0.0});
  }
  for (const figures::GraphKey& key : keys_)
    spoken.append(QString::fromStdString(key.text));
  setAccessibleDescription(spoken.join(QStringLiteral(", ")));
  update();
}

std::vector<QPoint> GraphLegend::places(int width) const {
  std::vector<QPoint> out;
  int x = gap, y = row_gap;
  for (const figures::GraphKey& key : keys_) {
    const int line = key.value == 0.0 ? 0 : line_length + gap;
    const int needed = line + fontMetrics().horizontalAdvance(QString::fromStdString(key.text));
    if (x > gap && x + needed > width) {
      x = gap;
      y += fontMetrics().height() + row_gap;
    }
    out.emplace_back(x, y);
    x += needed + between;
  }
  return out;
}

int GraphLegend::height_for(int width) const {
  return keys_.empty() ? 0 : places(width).back().y() + fontMetrics().height() + row_gap;
}

void GraphLegend::paint_key(QPainter& painter, const figures::GraphKey& key, QPoint place) const {
  int x = place.x();
  if (key.value != 0.0) {
    const double y = place.y() + fontMetrics().height() / 2.0;
    if (key.value)
      painter.setPen(edge_pen(*key.value / largest_, key.line, is_dark(), 1.0));
    else
      painter.setPen(key.tie ? QPen(inks().muted, 1) : line_pen(inks().text, 2.0, key.line));
    painter.drawLine(QPointF(x, y), QPointF(x + line_length, y));
    x += line_length + gap;
  }
  painter.setPen(inks().text);
  painter.drawText(QPoint(x, place.y() + fontMetrics().ascent()), QString::fromStdString(key.text));
}

void GraphLegend::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  painter.fillRect(rect(), inks().page);
  painter.setRenderHint(QPainter::Antialiasing);
  const std::vector<QPoint> at = places(width());
  for (std::size_t i = 0; i < keys_.size(); ++i)
    paint_key(painter, keys_[i], at[i]);
}

} // namespace headscope::gui
