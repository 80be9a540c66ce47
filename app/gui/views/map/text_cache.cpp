// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/map/text_cache.h"

#include <cmath>

#include <QFontMetricsF>

namespace headscope::gui {

void TextCache::begin(const QFont& font, double pixel_ratio) {
  if (font == font_ && pixel_ratio == ratio_) return;
  images_.clear();
  font_ = font;
  ratio_ = pixel_ratio;
}

const QImage& TextCache::image(const QString& text, const Style& style) {
  const QString key =
      QStringLiteral("%1 %2 %3 ").arg(style.color.rgba()).arg(2 * style.bold + style.upwards).arg(style.room) + text;
  if (const QImage* known = images_.object(key)) return *known;
  QFont font = font_;
  font.setBold(style.bold);
  const QFontMetricsF metrics(font);
  const QString shown = style.room < 1e9 ? metrics.elidedText(text, Qt::ElideRight, style.room) : text;
  const double width = metrics.horizontalAdvance(shown) + 2, height = metrics.height();
  const QSizeF size = style.upwards ? QSizeF(height, width) : QSizeF(width, height);
  auto* made = new QImage((size * ratio_).toSize().expandedTo({1, 1}), QImage::Format_ARGB32_Premultiplied);
  made->setDevicePixelRatio(ratio_);
  made->fill(Qt::transparent);
  QPainter painter(made);
  painter.setFont(font);
  painter.setPen(style.color);
  if (style.upwards) {
    painter.translate(0, size.height());
    painter.rotate(-90);
  }
  painter.drawText(QPointF(1, metrics.ascent()), shown);
  painter.end();
  images_.insert(key, made);
  return *made;
}

void TextCache::draw(QPainter& painter, QPointF at, Qt::Alignment anchor, const QString& text, const Style& style) {
  const QImage& picture = image(text, style);
  const QSizeF size = QSizeF(picture.size()) / ratio_;
  if (anchor & Qt::AlignHCenter) at.rx() -= size.width() / 2;
  if (anchor & Qt::AlignRight) at.rx() -= size.width();
  if (anchor & Qt::AlignVCenter) at.ry() -= size.height() / 2;
  if (anchor & Qt::AlignBottom) at.ry() -= size.height();
  // Draws on whole pixels, since the picture would be blurred between them.
  painter.drawImage(QPointF(std::round(at.x() * ratio_), std::round(at.y() * ratio_)) / ratio_, picture);
}

} // namespace headscope::gui
