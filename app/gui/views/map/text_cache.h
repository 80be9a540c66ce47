// SPDX-License-Identifier: GPL-3.0-or-later
// Keeps short texts as pictures. A large map has hundreds of labels and thousands of values; shaping each again would
// take longer than everything else in a frame.
#pragma once

#include <QCache>
#include <QFont>
#include <QImage>
#include <QPainter>

namespace headscope::gui {

class TextCache {
public:
  TextCache() : images_(most) {}

  // Sets font and pixel ratio for what is drawn next; a change discards the pictures.
  void begin(const QFont& font, double pixel_ratio);

  struct Style {
    QColor color;
    bool bold = false;
    bool upwards = false; // reads from below
    double room = 1e9;    // longer texts are elided; in device-independent pixels
  };
  // `anchor` says which point of the text's box is put at `at`; for text that reads upwards, of the box as on screen.
  void draw(QPainter& painter, QPointF at, Qt::Alignment anchor, const QString& text, const Style& style);

private:
  static constexpr int most = 8192; // pictures
  const QImage& image(const QString& text, const Style& style);

  QCache<QString, QImage> images_;
  QFont font_;
  double ratio_ = 1.0;
};

} // namespace headscope::gui
