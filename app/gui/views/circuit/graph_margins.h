// SPDX-License-Identifier: GPL-3.0-or-later
// What stands beside a graph: the names of its layers along one side and the legend below, so that they cover no node.
#pragma once

#include <vector>

#include <QTransform>
#include <QWidget>

#include "app/figures/graph_look.h"

namespace headscope::gui {

class LayerRuler : public QWidget {
  Q_OBJECT
public:
  explicit LayerRuler(QWidget* parent);

  void set_bands(std::vector<figures::FigureBand> bands, bool rightwards);
  void set_view(const QTransform& to_view); // from the graph to the widget that it is drawn in
  int extent() const;                       // across the layers
  QStringList shown() const;                // the names that have room, in their order on screen

protected:
  void paintEvent(QPaintEvent* event) override;

private:
  struct Name {
    double from = 0.0; // along the layers
    QString text;
  };
  std::vector<Name> names() const;

  std::vector<figures::FigureBand> bands_;
  bool rightwards_ = false;
  QTransform to_view_;
};

class GraphLegend : public QWidget {
  Q_OBJECT
public:
  explicit GraphLegend(QWidget* parent);

  void set_figure(const figures::GraphFigure& figure, double largest);
  int height_for(int width) const;

protected:
  void paintEvent(QPaintEvent* event) override;

private:
  // Where the entries go: their left ends and rows.
  std::vector<QPoint> places(int width) const;
  void paint_key(QPainter& painter, const figures::GraphKey& key, QPoint place) const;

  std::vector<figures::GraphKey> keys_; // the first one: what the values are, without a line
  double largest_ = 1.0;
};

} // namespace headscope::gui
