// SPDX-License-Identifier: GPL-3.0-or-later
// Short texts as pictures. A large map has hundreds of labels and thousands of values; shaping each anew would take
// longer than everything else in a frame.
#pragma once

#include <QCache>
#include <QFont>
#include <QImage>
#include <QPainter>

namespace headscope::gui {

class TextCache {
public:
  TextCache() : images_(most) {}

  // What is drawn from now on; another font or ratio forgets the pictures.
  void begin(const QFont& font, double pixel_ratio);

  struct Style {
    QColor color;
    bool bold = false;
    bool upwards = false; // reads from below
    double room = 1e9;    // longer texts are elided; in device-independent pixels
  };
  // Which point of the text's box stands at `at`: of a text that reads upwards, as it stands on the screen.
  void draw(QPainter& painter, QPointF at, Qt::Alignment anchor, const QString& text, const Style& style);

private:
  static constexpr int most = 8192; // pictures
  const QImage& image(const QString& text, const Style& style);

  QCache<QString, QImage> images_;
  QFont font_;
  double ratio_ = 1.0;
};

} // namespace headscope::gui
