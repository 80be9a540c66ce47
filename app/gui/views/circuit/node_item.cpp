// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/circuit/node_item.h"

#include <QApplication>
#include <QFontMetricsF>
#include <QPainter>
#include <QStyleOptionGraphicsItem>

#include "app/figures/graph_look.h"
#include "app/gui/style/theme.h"
#include "app/gui/views/circuit/graph_canvas.h"

namespace headscope::gui {
namespace {

constexpr double margin = 3.0; // of the outline

} // namespace

NodeItem::NodeItem(GraphCanvas& canvas, std::size_t index, const figures::FigureNode& node)
    : canvas_(canvas), index_(index), kind_(node.kind), name_(QString::fromStdString(node.label)),
      size_(node.width, node.height), font_(QApplication::font()) {
  // The node is the unit here: its text fills it, and grows with the zoom.
  const double high = QFontMetricsF(font_).height();
  font_.setPointSizeF(font_.pointSizeF() * node.height * 0.78 / high);
  const QFontMetricsF metrics(font_);
  label_.setText(metrics.elidedText(name_, Qt::ElideRight, node.width - 4));
  label_.setTextFormat(Qt::PlainText);
  label_.prepare({}, font_);
  setPos(node.x, node.y);
  setFlags(ItemIsMovable | ItemIsSelectable);
  setFlag(ItemSendsGeometryChanges);
}

void NodeItem::set_faded(bool faded) {
  if (faded == faded_) return;
  faded_ = faded;
  update();
}

figures::NodeInk NodeItem::ink() const {
  return faded_ ? figures::faded_ink(kind_, is_dark()) : figures::node_ink(kind_, is_dark());
}

QRectF NodeItem::boundingRect() const {
  return QRectF(-size_.width() / 2, -size_.height() / 2, size_.width(), size_.height())
      .adjusted(-margin, -margin, margin, margin);
}

void NodeItem::paint(QPainter* painter, const QStyleOptionGraphicsItem*, QWidget*) {
  const figures::NodeInk ink = this->ink();
  const QRectF box = boundingRect().adjusted(margin, margin, -margin, -margin);
  // A faded node is transparent to the edges behind it.
  const QColor fill = isSelected() ? inks().accent : faded_ ? QColor(Qt::transparent) : QColor(QRgb(ink.fill));
  painter->setPen(QPen(isSelected() ? inks().accent : QColor(QRgb(ink.line)), 1.0));
  painter->setBrush(fill);
  painter->drawRoundedRect(box, box.height() / 4, box.height() / 4);
  if (!readable_at(painter->worldTransform().m11())) return; // the canvas writes what has room
  painter->setFont(font_);
  painter->setPen(isSelected() ? text_on(fill) : QColor(QRgb(ink.text)));
  const QSizeF text = label_.size();
  painter->drawStaticText(QPointF(-text.width() / 2, -text.height() / 2), label_);
}

QVariant NodeItem::itemChange(GraphicsItemChange change, const QVariant& value) {
  if (change == ItemPositionHasChanged) canvas_.item_moved(index_);
  return QGraphicsItem::itemChange(change, value);
}

} // namespace headscope::gui
