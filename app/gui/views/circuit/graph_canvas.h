// SPDX-License-Identifier: GPL-3.0-or-later
// Draws a graph that can be zoomed, moved and clicked. Knows nothing of models: nodes and edges are numbers.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include <QGraphicsScene>
#include <QGraphicsView>
#include <QTimer>

#include "app/figures/figure.h"
#include "app/gui/views/circuit/edge_layer.h"

namespace headscope::gui {

class GraphLegend;
class LayerRuler;
class NodeItem;

class GraphCanvas : public QGraphicsView {
  Q_OBJECT
public:
  explicit GraphCanvas(QWidget* parent = nullptr);
  ~GraphCanvas() override;

  // Its edges are in order of |value|, strongest first. `keep_view`: zoom and place stay.
  void set_figure(figures::GraphFigure figure, bool keep_view);
  void set_edge_count(std::size_t count); // the first ones are drawn
  std::size_t edge_count() const { return count_; }
  // One a node: whether an edge that is drawn uses it. The others are hidden, or faded where all are shown.
  void set_live(std::vector<bool> live);
  void set_show_all(bool show_all);
  bool node_shown(std::size_t node) const;
  void set_selected(const std::vector<std::size_t>& nodes);
  std::vector<std::size_t> selected() const;
  void set_current_edge(int edge); // -1: none
  int current_edge() const { return current_edge_; }
  void fit();
  // Moves there, and zooms out where that is needed.
  void bring_edge_into_view(int edge);
  void bring_node_into_view(std::size_t node); // also zooms in until its name can be read
  void set_notes(std::vector<QString> notes);  // one a node, written beside it; or none at all
  void zoom(double factor);

  QRectF node_rect(std::size_t node) const;                    // in the graph's coordinates
  QPointF edge_at_share(std::size_t edge, double share) const; // of its way: 0 where it begins, 1 where it ends
  QPointF edge_middle(std::size_t edge) const { return edge_at_share(edge, 0.5); }
  bool settled() const; // all edges are drawn
  LayerRuler& ruler() { return *ruler_; }
  GraphLegend& legend() { return *legend_; }
  // Where names are written at the size of other texts because the nodes are too small for them, in the viewport.
  std::vector<std::pair<std::size_t, QRectF>> screen_labels() const;

  // The texts of tool tips.
  std::function<QString(std::size_t)> node_tip, edge_tip;

Q_SIGNALS:
  void selection_changed(); // by the user
  void edge_clicked(int edge);
  void background_clicked();
  void node_moved(std::size_t node, QPointF place);
  void node_activated(std::size_t node); // double click
  // By the keyboard of the current edge, or else of the last node that is selected.
  void node_menu_wanted(std::size_t node, const QPoint& global);
  void edge_menu_wanted(int edge, const QPoint& global);

protected:
  void drawBackground(QPainter* painter, const QRectF& rect) override;
  void drawForeground(QPainter* painter, const QRectF& rect) override;
  void changeEvent(QEvent* event) override;
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
  void contextMenuEvent(QContextMenuEvent* event) override;

private:
  friend class NodeItem;
  void item_moved(std::size_t node);
  void update_curves(int of_node); // -1: all
  QFont label_font() const;
  void bring_into_view(const QRectF& place);
  void place_margins();
  void show_nodes();
  void draw_edges();
  void begin_edges(const EdgeLayer::Look& look);
  void paint_edges(QPainter& painter) const;
  void draw_ties(QPainter& painter);
  void draw_notes(QPainter& painter) const;
  void draw_highlights(QPainter& painter);
  int edge_at(QPoint place) const;
  NodeItem* node_at(QPoint place) const;
  EdgeLayer::Edges edges() const { return {figure_.edges, curves_, count_, largest_}; }

  QGraphicsScene scene_;
  figures::GraphFigure figure_;
  double largest_ = 1.0;   // |value| of full width and colour
  std::vector<bool> live_; // [node]
  bool show_all_ = false;
  std::vector<QString> notes_; // [node]
  LayerRuler* ruler_;
  GraphLegend* legend_;
  std::vector<NodeItem*> items_;
  std::vector<figures::EdgeCurve> curves_;
  std::size_t count_ = 0;
  EdgeLayer layer_;
  QImage before_; // the last picture of all edges, where they are still the same
  EdgeLayer::Look before_look_;
  QTimer slice_;
  QPoint pressed_;
  QPointF item_pressed_;
  int hovered_edge_ = -1, current_edge_ = -1;
  bool stale_ = true, fitted_ = true, quiet_ = false;
};

} // namespace headscope::gui
