// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/circuit/graph_canvas.h"

#include <algorithm>
#include <cmath>

#include <QContextMenuEvent>
#include <QHelpEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QPainterPath>
#include <QScrollBar>
#include <QToolTip>

#include "app/gui/style/keys.h"
#include "app/gui/style/theme.h"
#include "app/gui/views/circuit/graph_margins.h"
#include "app/gui/views/circuit/node_item.h"

namespace headscope::gui {
namespace {

constexpr double slice_ms = 8.0;
constexpr double page_margin = 24.0;
constexpr double least_zoom = 0.02, most_zoom = 12.0;
constexpr int click_slack = 4;           // pixels a click may wander
constexpr std::size_t most_labels = 200; // on screen at once
constexpr double label_size = 0.85;      // of other texts
constexpr double view_share = 0.9;       // of the widget that an edge brought into view takes at most
constexpr double note_width = 220.0;

QPainterPath path_of(const figures::EdgeCurve& c) {
  QPainterPath path(QPointF(c[0].x, c[0].y));
  path.cubicTo(c[1].x, c[1].y, c[2].x, c[2].y, c[3].x, c[3].y);
  return path;
}

} // namespace

GraphCanvas::GraphCanvas(QWidget* parent)
    : QGraphicsView(parent), ruler_(new LayerRuler(this)), legend_(new GraphLegend(this)) {
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
  set_keys(*this, tr("Plus and minus zoom, 0 shows the whole graph, N and P go to the next edge and the one before, "
                     "the Menu key or Shift+F10 opens the menu of that edge, or of the selected node"));
  slice_.setInterval(0);
  connect(&slice_, &QTimer::timeout, this, &GraphCanvas::draw_edges);
  connect(&scene_, &QGraphicsScene::selectionChanged, this, [this] {
    viewport()->update();
    if (!quiet_) Q_EMIT selection_changed();
  });
}

// Disconnects the scene, which reports a change of selection while it is destroyed.
GraphCanvas::~GraphCanvas() { scene_.disconnect(this); }

void GraphCanvas::set_figure(figures::GraphFigure figure, bool keep_view) {
  quiet_ = true;
  scene_.clear();
  quiet_ = false;
  items_.clear();
  figure_ = std::move(figure);
  largest_ = figure_.largest > 0 ? figure_.largest : 1.0;
  live_.assign(figure_.nodes.size(), true);
  notes_.clear();
  count_ = std::min(count_, figure_.edges.size());
  hovered_edge_ = current_edge_ = -1;
  for (std::size_t i = 0; i < figure_.nodes.size(); ++i) {
    items_.push_back(new NodeItem(*this, i, figure_.nodes[i])); // the scene owns it
    scene_.addItem(items_.back());
  }
  scene_.setSceneRect(scene_.itemsBoundingRect().adjusted(-page_margin, -page_margin, page_margin, page_margin));
  ruler_->set_bands(figure_.bands, figure_.rightwards);
  legend_->set_figure(figure_, largest_);
  place_margins();
  update_curves(-1);
  if (!keep_view) {
    fitted_ = true;
    fit();
  }
}

// The names of the layers and the legend have the room that they need beside the graph, and a mark of where it is from
// above it.
void GraphCanvas::place_margins() {
  const int across = ruler_->extent(), below = legend_->height_for(viewport()->width());
  const int above = fontMetrics().height() + 10;
  const QMargins margins =
      figure_.rightwards ? QMargins(0, above + across, 0, below) : QMargins(across, above, 0, below);
  if (margins != viewportMargins()) setViewportMargins(margins);
  const QRect page = viewport()->geometry();
  if (figure_.rightwards)
    ruler_->setGeometry(page.left(), page.top() - across, page.width(), across);
  else
    ruler_->setGeometry(page.left() - across, page.top(), across, page.height());
  legend_->setGeometry(page.left() - margins.left(), page.bottom() + 1, page.width() + margins.left(), below);
}

void GraphCanvas::set_edge_count(std::size_t count) {
  count_ = std::min(count, figure_.edges.size());
  if (hovered_edge_ >= static_cast<int>(count_)) hovered_edge_ = -1;
  stale_ = true;
  viewport()->update();
}

void GraphCanvas::set_live(std::vector<bool> live) {
  live_ = std::move(live);
  show_nodes();
}

void GraphCanvas::set_show_all(bool show_all) {
  show_all_ = show_all;
  show_nodes();
}

bool GraphCanvas::node_shown(std::size_t node) const { return items_[node]->isVisible(); }

// A node that is hidden is no longer selected, which is no wish of the user.
void GraphCanvas::show_nodes() {
  quiet_ = true;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    items_[i]->set_faded(!live_[i]);
    items_[i]->setVisible(live_[i] || show_all_);
  }
  quiet_ = false;
  viewport()->update();
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

void GraphCanvas::bring_into_view(const QRectF& place) {
  const QRectF page = mapToScene(viewport()->rect()).boundingRect();
  if (page.contains(place)) return;
  const double share = std::max(place.width() / page.width(), place.height() / page.height());
  if (share > 1.0) zoom(view_share / share);
  centerOn(place.center());
  fitted_ = false;
}

void GraphCanvas::bring_edge_into_view(int edge) {
  if (edge < 0) return;
  const figures::FigureEdge& ends = figure_.edges[static_cast<std::size_t>(edge)];
  bring_into_view(path_of(curves_[static_cast<std::size_t>(edge)]).boundingRect() | node_rect(ends.src) |
                  node_rect(ends.dst));
}

void GraphCanvas::bring_node_into_view(std::size_t node) {
  const NodeItem& item = *items_[node];
  if (!item.readable_at(transform().m11())) {
    const double wanted = 1.2 * NodeItem::readable_height / node_rect(node).height();
    zoom(wanted / transform().m11());
    centerOn(item.pos());
  }
  bring_into_view(node_rect(node));
}

void GraphCanvas::set_notes(std::vector<QString> notes) {
  notes_ = std::move(notes);
  viewport()->update();
}

void GraphCanvas::zoom(double factor) {
  const double now = transform().m11();
  factor = std::clamp(now * factor, least_zoom, most_zoom) / now;
  scale(factor, factor);
  fitted_ = false;
}

QRectF GraphCanvas::node_rect(std::size_t node) const {
  const figures::FigureNode& size = figure_.nodes[node];
  const QPointF at = items_[node]->pos();
  return {at.x() - size.width / 2, at.y() - size.height / 2, size.width, size.height};
}

QPointF GraphCanvas::edge_at_share(std::size_t edge, double share) const {
  return path_of(curves_[edge]).pointAtPercent(share);
}

bool GraphCanvas::settled() const { return !isVisible() || (!stale_ && layer_.finished(count_)); }

void GraphCanvas::item_moved(std::size_t node) {
  if (node >= items_.size() || items_.size() != figure_.nodes.size()) return; // while the items are made
  update_curves(static_cast<int>(node));
}

void GraphCanvas::update_curves(int of_node) {
  const auto box = [&](std::size_t node) {
    const QRectF rect = node_rect(node);
    return figures::Rect{rect.x(), rect.y(), rect.width(), rect.height()};
  };
  curves_.resize(figure_.edges.size());
  for (std::size_t i = 0; i < figure_.edges.size(); ++i) {
    const figures::FigureEdge& edge = figure_.edges[i];
    const auto node = static_cast<std::size_t>(of_node);
    if (of_node >= 0 && edge.src != node && edge.dst != node) continue;
    curves_[i] = figures::edge_curve(box(edge.src), box(edge.dst), figure_.rightwards, edge.port);
  }
  stale_ = true;
  viewport()->update();
}

// ---- Drawing

void GraphCanvas::draw_edges() {
  const bool all = layer_.draw(edges(), slice_ms);
  if (all) slice_.stop();
  // Part of a picture is better than none, and worse than a blurred one of all edges.
  if (all || before_.isNull()) viewport()->update();
}

// What is drawn anew begins here. While the view moves, the picture of before is shown moved and scaled, and the new
// one is drawn beside; only where the edges themselves are others there is nothing to show meanwhile.
void GraphCanvas::begin_edges(const EdgeLayer::Look& look) {
  if (stale_ || look.dark != layer_.look().dark) {
    before_ = QImage();
  } else if (layer_.finished(count_)) {
    before_ = layer_.picture();
    before_look_ = layer_.look();
  }
  layer_.restart(look);
  stale_ = false;
  ruler_->set_view(look.to_view);
  if (!before_.isNull() || !layer_.draw(edges(), slice_ms)) slice_.start();
}

void GraphCanvas::paint_edges(QPainter& painter) const {
  if (layer_.finished(count_) || before_.isNull()) return painter.drawImage(QPointF(0, 0), layer_.picture());
  painter.save();
  painter.setTransform(before_look_.to_view.inverted() * layer_.look().to_view, true);
  painter.drawImage(QPointF(0, 0), before_);
  painter.restore();
}

void GraphCanvas::draw_highlights(QPainter& painter) {
  const double zoom = std::clamp(transform().m11(), 0.5, 2.0) / transform().m11();
  for (const int edge : {hovered_edge_, current_edge_}) {
    if (edge < 0 || edge >= static_cast<int>(figure_.edges.size())) continue;
    const auto i = static_cast<std::size_t>(edge);
    const double share = figure_.edges[i].value / largest_;
    painter.strokePath(path_of(curves_[i]), QPen(inks().accent, (figures::edge_width(share) + 4) * zoom));
    painter.strokePath(path_of(curves_[i]), edge_pen(share, figures::EdgeLine::solid, is_dark(), zoom));
  }
}

// Between the middles of nodes that are there, below the edges.
void GraphCanvas::draw_ties(QPainter& painter) {
  painter.setPen(QPen(inks().muted, 1));
  for (const figures::FigureTie& tie : figure_.ties)
    if (live_[tie.a] && node_shown(tie.b))
      painter.drawLine(mapFromScene(items_[tie.a]->pos()), mapFromScene(items_[tie.b]->pos()));
}

void GraphCanvas::drawBackground(QPainter* painter, const QRectF&) {
  const EdgeLayer::Look look{viewportTransform(), viewport()->size(), viewport()->devicePixelRatioF(), is_dark()};
  if (stale_ || !(look == layer_.look())) begin_edges(look);
  painter->save();
  painter->resetTransform();
  painter->fillRect(QRectF(QPointF(0, 0), QSizeF(look.size)), inks().page);
  draw_ties(*painter);
  paint_edges(*painter);
  painter->restore();
  draw_highlights(*painter);
}

QFont GraphCanvas::label_font() const {
  QFont small = font();
  small.setPointSizeF(small.pointSizeF() * label_size);
  return small;
}

// Nodes of the strongest edges come first, selected ones before all; what would lie on another name is left out.
std::vector<std::pair<std::size_t, QRectF>> GraphCanvas::screen_labels() const {
  std::vector<std::pair<std::size_t, QRectF>> out;
  if (items_.empty() || items_[0]->readable_at(transform().m11())) return out;
  const QFontMetricsF metrics(label_font());
  const QRectF page = viewport()->rect();
  std::vector<bool> seen(items_.size());
  const auto add = [&](std::size_t node) {
    if (seen[node] || out.size() >= most_labels) return;
    seen[node] = true;
    if (!live_[node] || !items_[node]->isVisible()) return;
    QRectF box(0, 0, metrics.horizontalAdvance(items_[node]->name()) + 6, metrics.height());
    const QPointF at = mapFromScene(items_[node]->pos());
    if (!page.contains(at)) return;
    box.moveCenter(at);
    box.moveLeft(std::clamp(box.left(), page.left(), std::max(page.left(), page.right() - box.width())));
    box.moveTop(std::clamp(box.top(), page.top(), std::max(page.top(), page.bottom() - box.height())));
    for (const auto& [other, taken] : out)
      if (taken.intersects(box)) return;
    out.emplace_back(node, box);
  };
  for (const std::size_t node : selected())
    add(node);
  for (std::size_t i = 0; i < std::min(count_, most_labels * 4); ++i) {
    add(figure_.edges[i].src);
    add(figure_.edges[i].dst);
  }
  return out;
}

void GraphCanvas::drawForeground(QPainter* painter, const QRectF&) {
  painter->save();
  painter->resetTransform();
  painter->setFont(label_font());
  for (const auto& [node, box] : screen_labels()) {
    const NodeItem& item = *items_[node];
    const figures::NodeInk ink = item.ink();
    const QColor fill = item.isSelected() ? inks().accent : QColor(QRgb(ink.fill));
    painter->setPen(item.isSelected() ? inks().accent : QColor(QRgb(ink.line)));
    painter->setBrush(fill);
    painter->drawRoundedRect(box, 4, 4);
    painter->setPen(item.isSelected() ? text_on(fill) : QColor(QRgb(ink.text)));
    painter->drawText(box, Qt::AlignCenter, item.name());
  }
  draw_notes(*painter);
  painter->restore();
}

// On the right of their nodes.
void GraphCanvas::draw_notes(QPainter& painter) const {
  const QFontMetricsF metrics(label_font());
  for (std::size_t node = 0; node < notes_.size(); ++node) {
    if (notes_[node].isEmpty() || !items_[node]->isVisible()) continue;
    const QRectF box = mapFromScene(node_rect(node)).boundingRect();
    const QString text = metrics.elidedText(notes_[node], Qt::ElideRight, note_width);
    const double beside = std::max(box.right(), box.center().x() + metrics.horizontalAdvance(items_[node]->name()) / 2);
    QRectF place(beside + 6, 0, metrics.horizontalAdvance(text) + 4, metrics.height());
    place.moveTop(box.center().y() - place.height() / 2);
    painter.fillRect(place, inks().page);
    painter.setPen(inks().warning);
    painter.drawText(place, Qt::AlignCenter, text);
  }
}

// ---- Mouse and keys

NodeItem* GraphCanvas::node_at(QPoint place) const { return dynamic_cast<NodeItem*>(itemAt(place)); }

int GraphCanvas::edge_at(QPoint place) const {
  const double reach = 5.0 / transform().m11();
  return edge_near(curves_, count_, mapToScene(place), reach);
}

void GraphCanvas::mousePressEvent(QMouseEvent* event) {
  if (event->button() == Qt::RightButton) return event->accept(); // its menu keeps what is selected
  pressed_ = event->pos();
  const NodeItem* node = node_at(event->pos());
  item_pressed_ = node ? node->pos() : QPointF();
  setDragMode(event->modifiers() & Qt::ShiftModifier ? QGraphicsView::RubberBandDrag : QGraphicsView::ScrollHandDrag);
  // A click on an edge or on the background keeps the selected heads.
  quiet_ = !node && dragMode() == QGraphicsView::ScrollHandDrag;
  QGraphicsView::mousePressEvent(event);
}

void GraphCanvas::mouseReleaseEvent(QMouseEvent* event) {
  if (event->button() == Qt::RightButton) return event->accept();
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
    bring_edge_into_view(current_edge_);
    Q_EMIT edge_clicked(current_edge_);
    return;
  }
  default: event->ignore(); // arrows go through layers and heads, as everywhere
  }
}

void GraphCanvas::changeEvent(QEvent* event) {
  QGraphicsView::changeEvent(event);
  if (event->type() == QEvent::FontChange) place_margins();
}

void GraphCanvas::resizeEvent(QResizeEvent* event) {
  QGraphicsView::resizeEvent(event);
  place_margins();
  if (fitted_) fit();
}

void GraphCanvas::showEvent(QShowEvent* event) {
  QGraphicsView::showEvent(event);
  if (fitted_) fit();
}

void GraphCanvas::contextMenuEvent(QContextMenuEvent* event) {
  if (event->reason() == QContextMenuEvent::Mouse) {
    if (const NodeItem* node = node_at(event->pos()))
      Q_EMIT node_menu_wanted(node->index(), event->globalPos());
    else if (const int edge = edge_at(event->pos()); edge >= 0)
      Q_EMIT edge_menu_wanted(edge, event->globalPos());
    return;
  }
  const auto on_screen = [this](QPointF place) { return viewport()->mapToGlobal(mapFromScene(place)); };
  if (current_edge_ >= 0)
    return Q_EMIT edge_menu_wanted(current_edge_, on_screen(edge_middle(static_cast<std::size_t>(current_edge_))));
  if (const auto nodes = selected(); !nodes.empty())
    Q_EMIT node_menu_wanted(nodes.back(), on_screen(node_rect(nodes.back()).center()));
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
