// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/circuit/graph_canvas.h"

#include <algorithm>
#include <cmath>

#include <QHelpEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QPainterPath>
#include <QScrollBar>
#include <QToolTip>

#include "app/gui/style/keys.h"
#include "app/gui/style/theme.h"
#include "app/gui/views/circuit/node_item.h"

namespace headscope::gui {
namespace {

constexpr double slice_ms = 8.0;
constexpr double page_margin = 24.0;
constexpr double least_zoom = 0.02, most_zoom = 12.0;
constexpr int click_slack = 4; // pixels a click may wander

QPainterPath path_of(const figures::EdgeCurve& c) {
  QPainterPath path(QPointF(c[0].x, c[0].y));
  path.cubicTo(c[1].x, c[1].y, c[2].x, c[2].y, c[3].x, c[3].y);
  return path;
}

} // namespace

GraphCanvas::GraphCanvas(QWidget* parent) : QGraphicsView(parent) {
  setScene(&scene_);
  setRenderHints(QPainter::Antialiasing | QPainter::TextAntialiasing);
  setDragMode(QGraphicsView::ScrollHandDrag);
  setTransformationAnchor(QGraphicsView::AnchorUnderMouse);
  setViewportUpdateMode(QGraphicsView::FullViewportUpdate); // the edges are one picture anyway
  setOptimizationFlag(QGraphicsView::DontSavePainterState);
  setFrameShape(QFrame::NoFrame);
  viewport()->setCursor(Qt::ArrowCursor);
  viewport()->setMouseTracking(true);
  setAccessibleName(tr("Circuit graph"));
  set_keys(*this, tr("Plus and minus zoom, 0 shows the whole graph, N and P go to the next edge and the one before"));
  slice_.setInterval(0);
  connect(&slice_, &QTimer::timeout, this, &GraphCanvas::draw_edges);
  connect(&scene_, &QGraphicsScene::selectionChanged, this, [this] {
    viewport()->update();
    if (!quiet_) Q_EMIT selection_changed();
  });
}

// Disconnects the scene, which reports a change of selection while it is destroyed.
GraphCanvas::~GraphCanvas() { scene_.disconnect(this); }

void GraphCanvas::set_content(Content content, bool keep_view) {
  quiet_ = true;
  scene_.clear();
  quiet_ = false;
  items_.clear();
  content_ = std::move(content);
  count_ = std::min(count_, content_.edges.size());
  hovered_edge_ = current_edge_ = -1;
  for (std::size_t i = 0; i < content_.nodes.size(); ++i) {
    items_.push_back(new NodeItem(*this, i, content_.nodes[i])); // the scene owns it
    scene_.addItem(items_.back());
  }
  scene_.setSceneRect(scene_.itemsBoundingRect().adjusted(-page_margin * 4, -page_margin, page_margin, page_margin));
  update_curves(-1);
  if (!keep_view) {
    fitted_ = true;
    fit();
  }
}

void GraphCanvas::set_edge_count(std::size_t count) {
  count_ = std::min(count, content_.edges.size());
  if (hovered_edge_ >= static_cast<int>(count_)) hovered_edge_ = -1;
  stale_ = true;
  viewport()->update();
}

void GraphCanvas::set_faded(const std::vector<bool>& faded) {
  for (std::size_t i = 0; i < items_.size(); ++i)
    items_[i]->set_faded(faded[i]);
}

void GraphCanvas::set_selected(const std::vector<std::size_t>& nodes) {
  quiet_ = true;
  scene_.clearSelection();
  for (const std::size_t node : nodes)
    items_[node]->setSelected(true);
  quiet_ = false;
}

std::vector<std::size_t> GraphCanvas::selected() const {
  std::vector<std::size_t> out;
  for (const NodeItem* item : items_)
    if (item->isSelected()) out.push_back(item->index());
  return out;
}

void GraphCanvas::set_current_edge(int edge) {
  current_edge_ = edge;
  viewport()->update();
}

void GraphCanvas::fit() {
  if (items_.empty()) return;
  fitInView(scene_.sceneRect(), Qt::KeepAspectRatio);
  fitted_ = true;
}

void GraphCanvas::zoom(double factor) {
  const double now = transform().m11();
  factor = std::clamp(now * factor, least_zoom, most_zoom) / now;
  scale(factor, factor);
  fitted_ = false;
}

QRectF GraphCanvas::node_rect(std::size_t node) const {
  const figures::FigureNode& size = content_.nodes[node];
  const QPointF at = items_[node]->pos();
  return {at.x() - size.width / 2, at.y() - size.height / 2, size.width, size.height};
}

QPointF GraphCanvas::edge_middle(std::size_t edge) const { return path_of(curves_[edge]).pointAtPercent(0.5); }

bool GraphCanvas::settled() const { return !isVisible() || (!stale_ && layer_.finished(count_)); }

void GraphCanvas::item_moved(std::size_t node) {
  if (node >= items_.size() || items_.size() != content_.nodes.size()) return; // while the items are made
  update_curves(static_cast<int>(node));
}

void GraphCanvas::update_curves(int of_node) {
  const auto box = [&](std::size_t node) {
    const QRectF rect = node_rect(node);
    return figures::Rect{rect.x(), rect.y(), rect.width(), rect.height()};
  };
  curves_.resize(content_.edges.size());
  for (std::size_t i = 0; i < content_.edges.size(); ++i) {
    const figures::FigureEdge& edge = content_.edges[i];
    const auto node = static_cast<std::size_t>(of_node);
    if (of_node >= 0 && edge.src != node && edge.dst != node) continue;
    curves_[i] = figures::edge_curve(box(edge.src), box(edge.dst), content_.rightwards);
  }
  stale_ = true;
  viewport()->update();
}

// ---- Drawing

void GraphCanvas::draw_edges() {
  if (layer_.draw(edges(), slice_ms)) slice_.stop();
  viewport()->update();
}

void GraphCanvas::draw_highlights(QPainter& painter) {
  const double zoom = std::clamp(transform().m11(), 0.5, 2.0) / transform().m11();
  for (const int edge : {hovered_edge_, current_edge_}) {
    if (edge < 0 || edge >= static_cast<int>(content_.edges.size())) continue;
    const auto i = static_cast<std::size_t>(edge);
    const double share = content_.edges[i].value / content_.largest;
    painter.strokePath(path_of(curves_[i]), QPen(inks().accent, (figures::edge_width(share) + 4) * zoom));
    painter.strokePath(path_of(curves_[i]),
                       QPen(QColor(QRgb(figures::edge_color(share, is_dark()))), figures::edge_width(share) * zoom));
  }
}

void GraphCanvas::drawBackground(QPainter* painter, const QRectF&) {
  const EdgeLayer::Look look{viewportTransform(), viewport()->size(), viewport()->devicePixelRatioF(), is_dark()};
  if (stale_ || !(look == layer_.look())) {
    layer_.restart(look);
    stale_ = false;
    if (!layer_.draw(edges(), slice_ms)) slice_.start();
  }
  painter->save();
  painter->resetTransform();
  painter->fillRect(QRectF(QPointF(0, 0), QSizeF(look.size)), inks().page);
  painter->drawImage(QPointF(0, 0), layer_.picture());
  // Keeps the names of layers at the edge of the widget.
  painter->setPen(inks().muted);
  painter->setFont(font());
  const QFontMetricsF metrics(font());
  double free_from = -1e9;
  std::vector<std::pair<double, const std::string*>> bands;
  for (const figures::FigureBand& band : content_.bands) {
    const QPointF at = look.to_view.map(content_.rightwards ? QPointF(band.at, 0) : QPointF(0, band.at));
    bands.emplace_back(content_.rightwards ? at.x() : at.y(), &band.label);
  }
  std::sort(bands.begin(), bands.end());
  for (const auto& [at, label] : bands) {
    const QString text = QString::fromStdString(*label);
    const double extent = content_.rightwards ? metrics.horizontalAdvance(text) : metrics.height();
    if (at - extent / 2 < free_from || at < 0 || at > (content_.rightwards ? look.size.width() : look.size.height()))
      continue;
    free_from = at + extent / 2 + (content_.rightwards ? metrics.averageCharWidth() : 0);
    const QPointF base = content_.rightwards ? QPointF(at - extent / 2, metrics.ascent() + 2)
                                             : QPointF(metrics.averageCharWidth(), at - extent / 2 + metrics.ascent());
    painter->drawText(base, text);
  }
  painter->restore();
  draw_highlights(*painter);
}

// ---- Mouse and keys

NodeItem* GraphCanvas::node_at(QPoint place) const { return dynamic_cast<NodeItem*>(itemAt(place)); }

int GraphCanvas::edge_at(QPoint place) const {
  const double reach = 5.0 / transform().m11();
  return edge_near(curves_, count_, mapToScene(place), reach);
}

void GraphCanvas::mousePressEvent(QMouseEvent* event) {
  pressed_ = event->pos();
  const NodeItem* node = node_at(event->pos());
  item_pressed_ = node ? node->pos() : QPointF();
  setDragMode(event->modifiers() & Qt::ShiftModifier ? QGraphicsView::RubberBandDrag : QGraphicsView::ScrollHandDrag);
  // A click on an edge or on the background keeps the selected heads.
  quiet_ = !node && dragMode() == QGraphicsView::ScrollHandDrag;
  QGraphicsView::mousePressEvent(event);
}

void GraphCanvas::mouseReleaseEvent(QMouseEvent* event) {
  const std::vector<std::size_t> before = selected();
  const bool left = event->button() == Qt::LeftButton;
  const bool click = left && (event->pos() - pressed_).manhattanLength() <= click_slack;
  const bool panned = quiet_;
  QGraphicsView::mouseReleaseEvent(event);
  viewport()->setCursor(Qt::ArrowCursor);
  if (panned) set_selected(before);
  quiet_ = false;
  const NodeItem* node = node_at(event->pos());
  if (left && node && !panned && node->pos() != item_pressed_) Q_EMIT node_moved(node->index(), node->pos());
  if (!click || node) return;
  const int edge = edge_at(event->pos());
  set_current_edge(edge);
  if (edge >= 0)
    Q_EMIT edge_clicked(edge);
  else
    Q_EMIT background_clicked();
}

void GraphCanvas::mouseMoveEvent(QMouseEvent* event) {
  QGraphicsView::mouseMoveEvent(event);
  if (event->buttons() != Qt::NoButton) {
    if (quiet_) fitted_ = false; // panned
    return;
  }
  const NodeItem* node = node_at(event->pos());
  const int edge = node ? -1 : edge_at(event->pos());
  viewport()->setCursor(node || edge >= 0 ? Qt::PointingHandCursor : Qt::ArrowCursor);
  if (edge == hovered_edge_) return;
  hovered_edge_ = edge;
  viewport()->update();
}

void GraphCanvas::leaveEvent(QEvent* event) {
  hovered_edge_ = -1;
  viewport()->update();
  QGraphicsView::leaveEvent(event);
}

void GraphCanvas::mouseDoubleClickEvent(QMouseEvent* event) {
  if (const NodeItem* node = node_at(event->pos()))
    Q_EMIT node_activated(node->index());
  else
    fit();
}

void GraphCanvas::wheelEvent(QWheelEvent* event) {
  zoom(std::pow(1.0015, event->angleDelta().y()));
  event->accept();
}

void GraphCanvas::keyPressEvent(QKeyEvent* event) {
  switch (event->key()) {
  case Qt::Key_Plus:
  case Qt::Key_Equal: return zoom(1.2);
  case Qt::Key_Minus: return zoom(1 / 1.2);
  case Qt::Key_0: return fit();
  // Moves along the drawn edges, strongest first.
  case Qt::Key_N:
  case Qt::Key_P: {
    if (count_ == 0) return;
    const int n = static_cast<int>(count_), step = event->key() == Qt::Key_N ? 1 : n - 1;
    set_current_edge(current_edge_ < 0 ? 0 : (current_edge_ + step) % n);
    Q_EMIT edge_clicked(current_edge_);
    return;
  }
  default: event->ignore(); // arrows go through layers and heads, as everywhere
  }
}

void GraphCanvas::resizeEvent(QResizeEvent* event) {
  QGraphicsView::resizeEvent(event);
  if (fitted_) fit();
}

void GraphCanvas::showEvent(QShowEvent* event) {
  QGraphicsView::showEvent(event);
  if (fitted_) fit();
}

bool GraphCanvas::viewportEvent(QEvent* event) {
  if (event->type() != QEvent::ToolTip) return QGraphicsView::viewportEvent(event);
  const auto* help = static_cast<QHelpEvent*>(event);
  QString text;
  if (const NodeItem* node = node_at(help->pos()))
    text = node_tip ? node_tip(node->index()) : QString();
  else if (const int edge = edge_at(help->pos()); edge >= 0 && edge_tip)
    text = edge_tip(static_cast<std::size_t>(edge));
  QToolTip::showText(help->globalPos(), text, this);
  return true;
}

} // namespace headscope::gui
