// SPDX-License-Identifier: GPL-3.0-or-later
// Puts a scene on a QPainter whose unit is the CSS pixel. Internal.
#pragma once

#include <QPainter>
#include <QRectF>

#include "app/figures/scene.h"

namespace headscope::figures {

struct Canvas {
  QPainter& painter;
  const Palette& colors;
  double dpr; // device pixels in a CSS pixel
};

inline QRectF to_qt(const Rect& rect) { return {rect.x, rect.y, rect.width, rect.height}; }

void paint_scene(const Canvas& canvas, const Scene& scene);
void paint_map(const Canvas& canvas, const SceneMap& map);
void paint_color_bar(const Canvas& canvas, const SceneBar& bar);
void paint_chart(const Canvas& canvas, const SceneChart& chart);
void paint_graph(const Canvas& canvas, const SceneGraph& graph);
void paint_nan(const Canvas& canvas, const QRectF& area);

} // namespace headscope::figures
