// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QGraphicsItem>
#include <QStaticText>

#include "app/figures/graph_look.h"

namespace headscope::gui {

class GraphCanvas;

// One node; can be dragged and selected. Its position is its centre.
class NodeItem : public QGraphicsItem {
public:
  NodeItem(GraphCanvas& canvas, std::size_t index, const figures::FigureNode& node);

  std::size_t index() const { return index_; }
  void set_faded(bool faded);
  bool faded() const { return faded_; }
  figures::NodeInk ink() const;
  const QString& name() const { return name_; }
  static constexpr double readable_height = 12.0; // of the box, in device-independent pixels
  // Whether its name can be read at that zoom where it is painted, within its box.
  bool readable_at(double zoom) const { return zoom * size_.height() >= readable_height; }

  QRectF boundingRect() const override;
  void paint(QPainter* painter, const QStyleOptionGraphicsItem* option, QWidget* widget) override;

protected:
  QVariant itemChange(GraphicsItemChange change, const QVariant& value) override;

private:
  GraphCanvas& canvas_;
  std::size_t index_;
  figures::NodeKind kind_;
  QString name_;
  QSizeF size_;
  QStaticText label_;
  QFont font_;
  bool faded_ = false;
};

} // namespace headscope::gui
