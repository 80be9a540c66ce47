// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/figures/paint.h"

namespace headscope::figures {

namespace {

void paint_text(const Canvas& canvas, const SceneText& text) {
  canvas.painter.save();
  canvas.painter.translate(text.box.x, text.box.y);
  if (text.box.angle != 0) canvas.painter.rotate(text.box.angle);
  canvas.painter.setFont(font(text.font));
  canvas.painter.setPen(canvas.colors.ink(text.ink));
  canvas.painter.drawText(QPointF(0, ascent(text.font)), QString::fromStdString(text.box.text));
  canvas.painter.restore();
}

void paint_line(const Canvas& canvas, const SceneLine& line, const QColor& color) {
  QPen pen(color, 1);
  pen.setCapStyle(Qt::FlatCap);
  if (line.dashed) pen.setDashPattern({5, 4});
  canvas.painter.setPen(pen);
  canvas.painter.drawLine(QPointF(line.x1, line.y1), QPointF(line.x2, line.y2));
}

} // namespace

void paint_scene(const Canvas& canvas, const Scene& scene) {
  QPainter& painter = canvas.painter;
  painter.setLayoutDirection(Qt::LeftToRight);
  painter.setRenderHints(QPainter::Antialiasing | QPainter::TextAntialiasing | QPainter::LosslessImageRendering);
  painter.fillRect(QRectF(0, 0, scene.width, scene.height), canvas.colors.page);
  for (const SceneLine& line : scene.content.grid)
    paint_line(canvas, line, canvas.colors.grid);
  for (const SceneMap& map : scene.content.maps)
    paint_map(canvas, map);
  for (const SceneBar& bar : scene.content.bars)
    paint_color_bar(canvas, bar);
  if (scene.chart) paint_chart(canvas, *scene.chart);
  if (scene.graph) paint_graph(canvas, *scene.graph);
  for (const SceneLine& line : scene.content.lines) {
    paint_line(canvas, line, line.ink == Ink::muted ? canvas.colors.axis : canvas.colors.ink(line.ink));
  }
  for (const SceneText& text : scene.content.texts)
    paint_text(canvas, text);
}

} // namespace headscope::figures
