// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/map/trace_strip.h"

#include <algorithm>
#include <cmath>

#include <QHelpEvent>
#include <QPainter>
#include <QToolTip>

#include "app/gui/style/theme.h"
#include "app/gui/views/map/map_canvas.h"

namespace headscope::gui {
namespace {

QString number(double value) { return QString::number(value, 'g', 4).replace(QLatin1Char('-'), QChar(0x2212)); }

QColor ink_of(std::size_t row) { return row == 0 ? inks().accent : inks().warning; }

} // namespace

TraceStrip::TraceStrip(QWidget* parent) : QWidget(parent) { setAccessibleName(tr("Trace of the tokens")); }

void TraceStrip::set_trace(mechanisms::Explanation trace, const MapCanvas* map) {
  if (map_) disconnect(map_, nullptr, this, nullptr);
  trace_ = std::move(trace);
  map_ = trace_.by_distance ? nullptr : map;
  if (map_) connect(map_, &MapCanvas::place_changed, this, qOverload<>(&QWidget::update));
  low_ = 0.0;
  high_ = 0.0;
  for (const auto& row : trace_.values)
    for (const double value : row)
      if (std::isfinite(value)) {
        low_ = std::min(low_, value);
        high_ = std::max(high_, value);
      }
  if (high_ <= low_) high_ = low_ + 1.0;
  setAccessibleDescription(QString::fromStdString(trace_.title) +
                           tr(": from %1 to %2").arg(number(low_), number(high_)));
  updateGeometry();
  update();
}

QSize TraceStrip::sizeHint() const {
  const int line = fontMetrics().height();
  const int rows = as_lines() ? 4 : std::min(static_cast<int>(trace_.values.size()), 12);
  return {12 * line, (rows + 2) * line};
}

std::int64_t TraceStrip::count() const {
  std::size_t most = 0;
  for (const auto& row : trace_.values)
    most = std::max(most, row.size());
  return static_cast<std::int64_t>(most);
}

double TraceStrip::margin() const {
  double widest = fontMetrics().horizontalAdvance(number(high_));
  for (const std::string& row : trace_.rows)
    if (!as_lines()) widest = std::max<double>(widest, fontMetrics().horizontalAdvance(QString::fromStdString(row)));
  return widest + fontMetrics().averageCharWidth();
}

// Below the title, above the axis.
QRectF TraceStrip::area() const {
  const double line = fontMetrics().height();
  if (!map_) return QRectF(margin(), line, std::max(1.0, width() - 2 * margin()), height() - 2 * line);
  const QRectF seen = map_->camera().visible();
  const double left = mapFromGlobal(map_->mapToGlobal(QPoint(0, 0))).x() + seen.left();
  return QRectF(left, line, std::max(1.0, seen.width()), height() - 2 * line);
}

double TraceStrip::place_of(std::int64_t index) const {
  const QRectF area = this->area();
  if (map_)
    return area.left() + map_->camera().to_screen(static_cast<double>(index) + 0.5, 0.0).x() -
           map_->camera().visible().left();
  return area.left() + area.width() * (static_cast<double>(index) + 0.5) / static_cast<double>(count());
}

std::optional<std::int64_t> TraceStrip::index_at(double x) const {
  if (count() == 0) return std::nullopt;
  const double first = place_of(0), step = count() > 1 ? place_of(1) - first : area().width();
  const auto index = static_cast<std::int64_t>(std::floor((x - first) / step + 0.5));
  return index >= 0 && index < count() ? std::optional(index) : std::nullopt;
}

void TraceStrip::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  painter.fillRect(rect(), inks().page);
  if (count() == 0) return;
  const QRectF area = this->area();
  const double line = fontMetrics().height();
  painter.setPen(inks().text);
  QString title = QString::fromStdString(trace_.title);
  if (as_lines() && trace_.rows.size() == 2)
    title += tr(" (line: %1, dashes: %2)")
                 .arg(QString::fromStdString(trace_.rows[0]), QString::fromStdString(trace_.rows[1]));
  painter.drawText(QRectF(0, 0, width(), line), Qt::AlignCenter,
                   fontMetrics().elidedText(title, Qt::ElideRight, width()));
  painter.save();
  painter.setClipRect(area.adjusted(-1, -1, 1, 1));
  as_lines() ? paint_lines(painter, area) : paint_cells(painter, area);
  painter.restore();
  painter.setPen(QPen(inks().muted, 0));
  painter.setBrush(Qt::NoBrush);
  painter.drawRect(area);
  const double gap = fontMetrics().averageCharWidth() / 2.0;
  if (as_lines()) {
    painter.drawText(QRectF(0, area.top(), area.left() - gap, line), Qt::AlignRight, number(high_));
    painter.drawText(QRectF(0, area.bottom() - line, area.left() - gap, line), Qt::AlignRight | Qt::AlignBottom,
                     number(low_));
  } else {
    const double high = area.height() / static_cast<double>(trace_.values.size());
    for (std::size_t row = 0; row < trace_.rows.size() && high >= 0.6 * line; ++row)
      painter.drawText(QRectF(0, area.top() + static_cast<double>(row) * high, area.left() - gap, high),
                       Qt::AlignRight | Qt::AlignVCenter, QString::fromStdString(trace_.rows[row]));
  }
  painter.drawText(QRectF(area.left(), area.bottom() + 1, area.width(), line), Qt::AlignCenter,
                   trace_.by_distance ? tr("distance →") : tr("token →"));
}

void TraceStrip::paint_lines(QPainter& painter, const QRectF& area) const {
  const auto height_of = [&](double value) { return area.bottom() - area.height() * (value - low_) / (high_ - low_); };
  painter.setRenderHint(QPainter::Antialiasing);
  if (low_ < 0.0) {
    painter.setPen(QPen(inks().grid, 0));
    painter.drawLine(QPointF(area.left(), height_of(0.0)), QPointF(area.right(), height_of(0.0)));
  }
  for (std::size_t row = 0; row < trace_.values.size(); ++row) {
    painter.setPen(QPen(ink_of(row), 1.5, row == 0 ? Qt::SolidLine : Qt::DashLine));
    QPolygonF line;
    const auto draw = [&] {
      line.size() == 1 ? painter.drawPoint(line.front()) : painter.drawPolyline(line);
      line.clear();
    };
    for (std::size_t i = 0; i < trace_.values[row].size(); ++i) {
      const double value = trace_.values[row][i];
      if (std::isfinite(value))
        line.append({place_of(static_cast<std::int64_t>(i)), height_of(value)});
      else if (!line.isEmpty())
        draw(); // a gap
    }
    if (!line.isEmpty()) draw();
  }
}

void TraceStrip::paint_cells(QPainter& painter, const QRectF& area) const {
  const double high = area.height() / static_cast<double>(trace_.values.size());
  const double step = count() > 1 ? place_of(1) - place_of(0) : area.width();
  for (std::size_t row = 0; row < trace_.values.size(); ++row)
    for (std::size_t i = 0; i < trace_.values[row].size(); ++i) {
      const double value = trace_.values[row][i];
      if (!std::isfinite(value)) continue;
      QColor color = inks().accent;
      color.setAlphaF(static_cast<float>((value - low_) / (high_ - low_)));
      painter.fillRect(QRectF(place_of(static_cast<std::int64_t>(i)) - step / 2,
                              area.top() + static_cast<double>(row) * high, step, high),
                       color);
    }
}

QString TraceStrip::text_at(std::int64_t index) const {
  QStringList lines = {trace_.by_distance ? tr("distance %1").arg(index) : tr("token %1").arg(index)};
  for (std::size_t row = 0; row < trace_.values.size() && row < 16; ++row) {
    if (static_cast<std::size_t>(index) >= trace_.values[row].size()) continue;
    const QString name = row < trace_.rows.size() ? QString::fromStdString(trace_.rows[row]) + u' ' : QString();
    lines.append(name + number(trace_.values[row][static_cast<std::size_t>(index)]));
  }
  return lines.join(QLatin1Char('\n'));
}

bool TraceStrip::event(QEvent* event) {
  if (event->type() == QEvent::ToolTip) {
    const auto* help = static_cast<QHelpEvent*>(event);
    const auto index = index_at(help->pos().x());
    QToolTip::showText(help->globalPos(), index ? text_at(*index) : QString(), this);
    return true;
  }
  return QWidget::event(event);
}

} // namespace headscope::gui
