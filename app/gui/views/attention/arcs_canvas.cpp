// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/attention/arcs_canvas.h"

#include <algorithm>
#include <cmath>

#include <QMouseEvent>
#include <QPainter>
#include <QPainterPath>

#include "app/gui/style/theme.h"

namespace headscope::gui {
namespace {
constexpr float faintest = 0.02F; // weaker arcs are left out
} // namespace

ArcsCanvas::ArcsCanvas(QWidget* parent) : QWidget(parent) {
  setMouseTracking(true);
  setAccessibleName(tr("Attention as arcs between tokens"));
}

void ArcsCanvas::set_map(std::shared_ptr<MapSource> map, std::function<QString(std::int64_t)> label) {
  if (map_) disconnect(map_.get(), nullptr, this, nullptr);
  map_ = std::move(map);
  label_ = std::move(label);
  hovered_.reset();
  if (map_) {
    connect(map_.get(), &MapSource::tile_ready, this, qOverload<>(&QWidget::update));
    if (isVisible()) map_->want({TileKey{}});
  }
  updateGeometry();
  update();
}

void ArcsCanvas::set_scale(const figures::ResolvedScale& scale) {
  scale_ = scale;
  update();
}

void ArcsCanvas::set_pinned(std::optional<std::int64_t> token) {
  pinned_ = token;
  update();
}

void ArcsCanvas::showEvent(QShowEvent*) {
  if (map_) map_->want({TileKey{}});
}

double ArcsCanvas::row_height() const { return QFontMetricsF(font()).height() * 1.25; }
double ArcsCanvas::column() const { return std::min(width() * 0.4, QFontMetricsF(font()).averageCharWidth() * 18.0); }

QSize ArcsCanvas::sizeHint() const {
  const double rows = map_ ? static_cast<double>(map_->shape().n_key) + 1 : 8;
  return {fontMetrics().averageCharWidth() * 40, static_cast<int>(rows * row_height())};
}

QRectF ArcsCanvas::token_rect(std::int64_t token) const {
  return {0.0, (static_cast<double>(token) + 0.5) * row_height(), column(), row_height()};
}

std::optional<std::int64_t> ArcsCanvas::token_at(QPointF position) const {
  if (!map_) return std::nullopt;
  const auto token = static_cast<std::int64_t>(std::floor(position.y() / row_height() - 0.5));
  if (token < 0 || token >= map_->shape().n_key || position.x() > column() + row_height()) return std::nullopt;
  return token;
}

// Draws a half ellipse to the right, wider for tokens farther apart.
void ArcsCanvas::arc(QPainter& painter, std::int64_t query, std::int64_t key, float weight,
                     std::optional<std::int64_t> focus) {
  const double x = column() + row_height() * 0.4, top = token_rect(key).center().y(),
               bottom = token_rect(query).center().y();
  const auto n = static_cast<double>(map_->shape().n_key);
  const double room = std::max(1.0, width() - x - row_height());
  const double reach = room * std::sqrt(static_cast<double>(query - key) / std::max(n, 12.0));
  const double at = scale_.position(static_cast<double>(weight));
  QColor color = focus && *focus == query ? inks().accent : focus ? inks().warning : inks().text;
  color.setAlphaF(static_cast<float>(std::clamp(0.12 + 0.88 * at, 0.0, 1.0)));
  painter.setPen(QPen(color, 0.75 + at * row_height() * 0.18, Qt::SolidLine, Qt::RoundCap));
  if (query == key) {
    const double radius = row_height() * (0.08 + 0.2 * at);
    painter.setBrush(color);
    painter.setPen(Qt::NoPen);
    painter.drawEllipse(QPointF(x, top), radius, radius);
    painter.setBrush(Qt::NoBrush);
    return;
  }
  QPainterPath path(QPointF(x, top));
  path.arcTo(QRectF(x - reach, top, 2 * reach, bottom - top), 90, -180);
  painter.drawPath(path);
}

void ArcsCanvas::tokens(QPainter& painter, const Tile& tile, std::optional<std::int64_t> focus) {
  const MapShape shape = map_->shape();
  const std::int64_t skip = shape.n_key - shape.n_query;
  for (std::int64_t i = 0; i < shape.n_key; ++i) {
    const QRectF place = token_rect(i).adjusted(row_height() * 0.3, 0, -row_height() * 0.1, 0);
    // The attention that the token in focus gives to this one, or receives from it.
    float weight = 0.0F;
    if (focus && i <= *focus && *focus >= skip) weight = tile.at(*focus - skip, i, Pooling::max);
    if (focus && weight >= faintest) {
      QColor back = inks().accent;
      back.setAlphaF(static_cast<float>(0.1 + 0.5 * scale_.position(static_cast<double>(weight))));
      painter.fillRect(place, back);
    }
    painter.setPen(focus && i == *focus ? inks().accent : inks().text);
    QFont bold = font();
    bold.setBold(focus && i == *focus);
    painter.setFont(bold);
    const QString text = label_ ? label_(i) : QString::number(i);
    painter.drawText(place, Qt::AlignRight | Qt::AlignVCenter,
                     QFontMetricsF(bold).elidedText(text, Qt::ElideMiddle, place.width()));
    if (!focus || weight < faintest) continue;
    painter.setFont(font());
    painter.setPen(inks().muted);
    painter.drawText(place, Qt::AlignLeft | Qt::AlignVCenter, QString::number(static_cast<double>(weight), 'f', 2));
  }
}

void ArcsCanvas::paintEvent(QPaintEvent* event) {
  QPainter painter(this);
  painter.fillRect(event->rect(), inks().page);
  if (!map_) return;
  const MapSource::TilePointer tile = map_->tile({});
  if (!tile) return;
  painter.setRenderHint(QPainter::Antialiasing);
  const std::optional<std::int64_t> focus = hovered_ ? hovered_ : pinned_;
  const MapShape shape = map_->shape();
  for (std::int64_t q = 0; q < tile->rows; ++q) {
    const std::int64_t query = q + shape.n_key - shape.n_query;
    for (std::int64_t key = 0; key < std::min(tile->cols, query + 1); ++key) {
      const float weight = tile->at(q, key, Pooling::max);
      const bool of_focus = !focus || *focus == query || *focus == key;
      const bool seen =
          token_rect(query).bottom() >= event->rect().top() && token_rect(key).top() <= event->rect().bottom();
      if (of_focus && seen && weight >= faintest) arc(painter, query, key, weight, focus);
    }
  }
  tokens(painter, *tile, focus);
}

void ArcsCanvas::mouseMoveEvent(QMouseEvent* event) {
  hovered_ = token_at(event->position());
  update();
}

void ArcsCanvas::mouseReleaseEvent(QMouseEvent* event) {
  if (const auto token = token_at(event->position())) Q_EMIT token_clicked(*token);
}

void ArcsCanvas::leaveEvent(QEvent*) {
  hovered_.reset();
  update();
}

} // namespace headscope::gui
