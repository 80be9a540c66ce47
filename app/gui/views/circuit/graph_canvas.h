// SPDX-License-Identifier: GPL-3.0-or-later
// Draws a graph that can be zoomed, moved and clicked. Knows nothing of models: nodes and edges are numbers.
#pragma once

#include <functional>
#include <vector>

#include <QGraphicsScene>
#include <QGraphicsView>
#include <QTimer>

#include "app/figures/figure.h"
#include "app/gui/views/circuit/edge_layer.h"

namespace headscope::gui {

class NodeItem;

class GraphCanvas : public QGraphicsView {
  Q_OBJECT
public:
  explicit GraphCanvas(QWidget* parent = nullptr);
  ~GraphCanvas() override;

  struct Content {
    std::vector<figures::FigureNode> nodes;
    std::vector<figures::FigureEdge> edges; // strongest first
    std::vector<figures::FigureBand> bands;
    bool rightwards = false;
    double largest = 1.0; // |value| of full width and colour
  };
  // `keep_view` keeps zoom and position.
  void set_content(Content content, bool keep_view);
  void set_edge_count(std::size_t count); // the first ones are drawn
  std::size_t edge_count() const { return count_; }
  void set_faded(const std::vector<bool>& faded); // one a node
  void set_selected(const std::vector<std::size_t>& nodes);
  std::vector<std::size_t> selected() const;
  void set_current_edge(int edge); // -1: none
  int current_edge() const { return current_edge_; }
  void fit();
  void zoom(double factor);

  QRectF node_rect(std::size_t node) const; // in the graph's coordinates
  QPointF edge_middle(std::size_t edge) const;
  bool settled() const; // all edges are drawn

  // The texts of tool tips.
  std::function<QString(std::size_t)> node_tip, edge_tip;

Q_SIGNALS:
  void selection_changed(); // by the user
  void edge_clicked(int edge);
  void background_clicked();
  void node_moved(std::size_t node, QPointF place);
  void node_activated(std::size_t node); // double click

protected:
  void drawBackground(QPainter* painter, const QRectF& rect) override;
  void mousePressEvent(QMouseEvent* event) override;
  void mouseReleaseEvent(QMouseEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void mouseDoubleClickEvent(QMouseEvent* event) override;
  void wheelEvent(QWheelEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  void showEvent(QShowEvent* event) override;
  void leaveEvent(QEvent* event) override;
  bool viewportEvent(QEvent* event) override;

private:
  friend class NodeItem;
  void item_moved(std::size_t node);
  void update_curves(int of_node); // -1: all
  void draw_edges();
  void draw_highlights(QPainter& painter);
  int edge_at(QPoint place) const;
  NodeItem* node_at(QPoint place) const;
  EdgeLayer::Edges edges() const { return {content_.edges, curves_, count_, content_.largest}; }

  QGraphicsScene scene_;
  Content content_;
  std::vector<NodeItem*> items_;
  std::vector<figures::EdgeCurve> curves_;
  std::size_t count_ = 0;
  EdgeLayer layer_;
  QTimer slice_;
  QPoint pressed_;
  QPointF item_pressed_;
  int hovered_edge_ = -1, current_edge_ = -1;
  bool stale_ = true, fitted_ = true, quiet_ = false;
};

} // namespace headscope::gui
