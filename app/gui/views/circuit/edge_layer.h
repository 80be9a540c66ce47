// SPDX-License-Identifier: GPL-3.0-or-later
// Draws the edges of a graph as a picture under the nodes, the strongest first and a few milliseconds at a time, so
// that a graph of many thousand edges never blocks the window.
#pragma once

#include <vector>

#include <QImage>
#include <QPen>
#include <QTransform>

#include "app/figures/graph_look.h"

namespace headscope::gui {

QPen line_pen(const QColor& color, double width, figures::EdgeLine line);
// `share`: value / largest; `zoom`: of its width.
QPen edge_pen(double share, figures::EdgeLine line, bool dark, double zoom);

class EdgeLayer {
public:
  struct Look {
    QTransform to_view; // from the graph's coordinates to the widget's
    QSize size;         // of the widget
    double dpr = 1.0;
    bool dark = false;
    friend bool operator==(const Look&, const Look&) = default;
  };
  struct Edges {
    const std::vector<figures::FigureEdge>& edges; // strongest first
    const std::vector<figures::EdgeCurve>& curves; // of them
    std::size_t count = 0;                         // how many of them are drawn
    double largest = 1.0;
  };

  void restart(const Look& look);
  const Look& look() const { return look_; }
  // Continues drawing for about that long; returns true when all edges are drawn.
  bool draw(const Edges& edges, double milliseconds);
  bool finished(std::size_t count) const { return next_ >= count; }
  const QImage& picture() const { return picture_; }

private:
  Look look_;
  QImage picture_;
  std::size_t next_ = 0;
};

// The edge nearest to a place among the first `count`, at most `reach` away; -1: none. All coordinates are the graph's.
int edge_near(const std::vector<figures::EdgeCurve>& curves, std::size_t count, QPointF place, double reach);

} // namespace headscope::gui
