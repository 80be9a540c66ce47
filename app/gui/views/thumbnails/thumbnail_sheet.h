// SPDX-License-Identifier: GPL-3.0-or-later
// Small maps of all heads, layer below layer; it scrolls, and says which layers are seen.
#pragma once

#include <optional>
#include <vector>

#include <QAbstractScrollArea>
#include <QImage>

#include "app/gui/engine/values.h"

namespace headscope::gui {

class ThumbnailSheet : public QAbstractScrollArea {
  Q_OBJECT
public:
  explicit ThumbnailSheet(QWidget* parent = nullptr);

  void set_shape(int n_layers, int n_heads); // drops all maps
  void set_hint(const QString& text);        // of an empty sheet
  void set_fit(bool fit);                    // maps so small that all layers are seen, if they can be; else wide ones
  void set_maps(int layer, std::vector<QImage> maps);
  void drop_maps();
  bool has_maps(int layer) const { return !maps_[static_cast<std::size_t>(layer)].empty(); }
  // Null where the layer has none.
  QImage map(HeadId head) const;
  int columns() const { return columns_; }
  int layers() const { return static_cast<int>(maps_.size()); }
  // Those in the viewport, from above.
  std::vector<int> layers_seen() const;

  void set_selected(std::vector<HeadId> heads);
  QRect map_rect(HeadId head) const; // in the viewport
  std::optional<HeadId> head_at(const QPoint& place) const;
  void show_head(HeadId head); // scrolls to it

Q_SIGNALS:
  void scrolled(); // other layers are seen
  void clicked(headscope::HeadId head);
  void stepped(int layers, int heads);                            // arrow keys
  void opened();                                                  // Enter
  void menu_wanted(headscope::HeadId head, const QPoint& global); // of this head, or of the selected one

protected:
  void paintEvent(QPaintEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  void changeEvent(QEvent* event) override;
  void scrollContentsBy(int dx, int dy) override;
  void mousePressEvent(QMouseEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
  bool viewportEvent(QEvent* event) override;
  void contextMenuEvent(QContextMenuEvent* event) override;

private:
  void arrange();
  int numbered(int size) const;
  int rows() const { return (layers() + columns_ - 1) / columns_; } // of a column
  int column_width() const;
  int side_of(int columns) const; // of a map, with so many columns
  void paint_layer(QPainter& painter, int layer) const;

  bool fit_ = true;
  int n_heads_ = 0, side_ = 0, left_ = 0, top_ = 0;
  int columns_ = 1;                       // of layers side by side, each from above to below
  std::vector<std::vector<QImage>> maps_; // by layer; empty: not there
  std::vector<HeadId> selected_;
  QString hint_;
};

} // namespace headscope::gui
