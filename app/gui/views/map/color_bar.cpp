// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/map/color_bar.h"

#include <cmath>

#include <QPainter>

#include "app/gui/style/theme.h"

namespace headscope::gui {

ColorBar::ColorBar(QWidget* parent) : QWidget(parent) {
  setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Expanding);
  setAccessibleName(tr("Colour legend"));
}

void ColorBar::set_scale(const figures::ResolvedScale& scale, const QString& label) {
  scale_ = scale;
  label_ = label;
  setAccessibleDescription(tr("%1 from %2 to %3").arg(label).arg(scale.low).arg(scale.high));
  update();
}

QSize ColorBar::sizeHint() const {
  const QFontMetrics metrics(font());
  return {metrics.horizontalAdvance(QStringLiteral("0.0001")) + 3 * metrics.height(), 8 * metrics.height()};
}

// Chooses powers of ten on a logarithmic scale, otherwise about five round steps.
std::vector<double> ColorBar::ticks() const {
  std::vector<double> ticks;
  if (scale_.log) {
    for (double value = std::pow(10.0, std::ceil(std::log10(scale_.low) - 1e-9)); value <= scale_.high * 1.0001;
         value *= 10)
      ticks.push_back(value);
    return ticks;
  }
  const double rough = (scale_.high - scale_.low) / 5, decade = std::pow(10.0, std::floor(std::log10(rough)));
  const double step = decade * (rough / decade < 1.5 ? 1 : rough / decade < 3.5 ? 2 : rough / decade < 7.5 ? 5 : 10);
  for (double value = std::ceil(scale_.low / step - 1e-9) * step; value <= scale_.high + step * 1e-6; value += step)
    ticks.push_back(std::abs(value) < step * 1e-6 ? 0.0 : value);
  return ticks;
}

void ColorBar::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  const QFontMetricsF metrics(font());
  const double line = metrics.height(), gap = metrics.averageCharWidth() * 0.6;
  const QRectF bar(line + gap, line, line, std::max(1.0, height() - 2 * line));
  for (int y = 0; y < static_cast<int>(bar.height()); ++y) {
    const double at = 1.0 - (y + 0.5) / bar.height();
    const double value =
        scale_.log ? scale_.low * std::pow(scale_.high / scale_.low, at) : scale_.low + at * (scale_.high - scale_.low);
    painter.fillRect(QRectF(bar.left(), bar.top() + y, bar.width(), 1.5), value_color(scale_, value));
  }
  painter.setPen(QPen(inks().muted, 0));
  painter.drawRect(bar);
  for (const double value : ticks()) {
    const double y = bar.bottom() - scale_.position(value) * bar.height();
    painter.setPen(QPen(inks().muted, 0));
    painter.drawLine(QPointF(bar.right(), y), QPointF(bar.right() + gap, y));
    painter.setPen(inks().text);
    painter.drawText(QRectF(bar.right() + 2 * gap, y - line / 2, width() - bar.right() - 2 * gap, line),
                     Qt::AlignLeft | Qt::AlignVCenter, QString::number(value, 'g', 3));
  }
  painter.setPen(inks().muted);
  painter.translate(0, bar.bottom());
  painter.rotate(-90);
  painter.drawText(QRectF(0, 0, bar.height(), line), Qt::AlignCenter,
                   metrics.elidedText(label_, Qt::ElideRight, bar.height()));
}

} // namespace headscope::gui
