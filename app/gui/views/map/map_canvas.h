// SPDX-License-Identifier: GPL-3.0-or-later
// A query x key map on the screen: drag to pan, wheel, pinch, + and - to zoom at the pointer, 0 to fit, double click to
// look closer, Shift and arrows to move. Shows labels along both axes, the values of large cells, a crosshair under the
// pointer and the pinned cell.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include <QWidget>

#include "app/gui/views/map/text_cache.h"
#include "app/gui/views/map/tile_painter.h"
#include "core/mechanisms/explanation.h"

namespace headscope::gui {

class MapCanvas : public QWidget {
  Q_OBJECT
public:
  struct Cell {
    std::int64_t query = 0, key = 0;
    friend bool operator==(const Cell&, const Cell&) = default;
  };
  // The label of the query or key at a place of its axis; asked only for visible places.
  using Label = std::function<QString(std::int64_t)>;
  struct Labels {
    Label query, key;
    QString query_axis, key_axis;
    // Whether positions are meaningful numbers: they are shown where cells are too small for labels.
    bool numbered = true;
  };

  explicit MapCanvas(QWidget* parent = nullptr);

  void set_map(std::shared_ptr<MapSource> map); // null: nothing to show
  const std::shared_ptr<MapSource>& map() const { return tiles_.map(); }
  void set_labels(Labels labels);
  void set_colors(const figures::ResolvedScale& scale, Pooling pooling);
  void set_pinned(std::optional<std::int64_t> query, std::optional<std::int64_t> key);

  // What is drawn over the map; null: nothing.
  void set_explanation(std::shared_ptr<const mechanisms::Explanation> explanation);
  const std::shared_ptr<const mechanisms::Explanation>& explanation() const { return explanation_; }

  const MapCamera& camera() const { return camera_; }
  void set_place(const MapCamera::Viewport& place); // says nothing
  void fit();
  void zoom(double factor); // at the pointer where it is over the map, else at the middle
  bool settled() const { return !map() || (map()->settled() && painted_); }

  std::optional<Cell> cell_at(QPointF position) const;
  QRectF cell_rect(Cell cell) const;
  std::optional<Cell> hovered() const { return hovered_; }
  int level() const { return tiles_.level(camera_, devicePixelRatioF()); }
  const TilePainter& tiles() const { return tiles_; }
  std::optional<TilePainter::Value> value(Cell cell) const { return tiles_.value(cell.query, cell.key); }

  QSize sizeHint() const override;
  QSize minimumSizeHint() const override;

Q_SIGNALS:
  void hover_changed();
  void cell_clicked(const headscope::gui::MapCanvas::Cell& cell, Qt::KeyboardModifiers modifiers);
  void label_clicked(Qt::Orientation axis, qint64 index, Qt::KeyboardModifiers modifiers); // vertical: a query
  void pin_cleared();
  // Of the cell under the pointer, or by the keyboard of the pinned one.
  void menu_wanted(const headscope::gui::MapCanvas::Cell& cell, const QPoint& global);
  void place_changed(); // by the user

protected:
  void paintEvent(QPaintEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  void changeEvent(QEvent* event) override;
  void wheelEvent(QWheelEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void mouseReleaseEvent(QMouseEvent* event) override;
  void mouseDoubleClickEvent(QMouseEvent* event) override;
  void leaveEvent(QEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
  bool event(QEvent* event) override;
  void contextMenuEvent(QContextMenuEvent* event) override;

private:
  void layout_axes();
  void moved(); // the camera was, by the user
  void want_tiles();
  void set_hovered(std::optional<Cell> cell);
  void click(QMouseEvent* event);
  void zoom_at(double factor, QPointF at);
  bool pinch(QEvent* event);
  QPointF zoom_center() const;

  MapCamera camera_;
  TilePainter tiles_;
  Labels labels_;
  TextCache texts_;
  std::shared_ptr<const mechanisms::Explanation> explanation_;
  std::optional<Cell> hovered_;
  std::optional<std::int64_t> pinned_query_, pinned_key_;
  QPointF pointer_;
  std::optional<QPointF> pressed_, dragged_; // where the button went down, and where the drag has come to
  bool painted_ = true;                      // false: the next frame still colours tiles
};

} // namespace headscope::gui
