// SPDX-License-Identifier: GPL-3.0-or-later
// One map, or several side by side that move together and share one colour scale, with its legend.
#pragma once

#include <memory>
#include <vector>

#include <QGridLayout>
#include <QLabel>

#include "app/gui/views/map/color_bar.h"
#include "app/gui/views/map/map_canvas.h"

namespace headscope::gui {

class MapGrid : public QWidget {
  Q_OBJECT
public:
  explicit MapGrid(const QString& legend, QWidget* parent = nullptr);

  struct Item {
    QString title; // shown when there are several
    std::shared_ptr<MapSource> map;
  };
  void set_items(const std::vector<Item>& items);
  const std::vector<Item>& items() const { return items_; }
  void set_labels(const MapCanvas::Labels& labels);
  void set_pinned(std::optional<std::int64_t> query, std::optional<std::int64_t> key);
  void set_log(bool log);
  void set_pooling(Pooling pooling);

  const figures::ResolvedScale& scale() const { return bar_->scale(); }
  Pooling pooling() const { return pooling_; }
  std::vector<MapCanvas*> canvases() const; // those that show something
  MapCanvas* hovered() const;               // null: the pointer is over none
  bool settled() const;

  void zoom(double factor);
  void fit();

Q_SIGNALS:
  void scale_changed();
  void hover_changed();
  void cell_clicked(const headscope::gui::MapCanvas::Cell& cell, Qt::KeyboardModifiers modifiers);
  void label_clicked(Qt::Orientation axis, qint64 index, Qt::KeyboardModifiers modifiers);
  void pin_cleared();
  // `item`: whose map it is, an index of items().
  void menu_wanted(std::size_t item, const headscope::gui::MapCanvas::Cell& cell, const QPoint& global);

private:
  struct Panel {
    QWidget* box;
    QLabel* title;
    MapCanvas* canvas;
  };
  void add_panel();
  void arrange();
  void update_scale();
  void follow(const MapCanvas& leader);

  QGridLayout* grid_;
  ColorBar* bar_;
  QString legend_;
  std::vector<Panel> panels_; // made when first needed, then kept
  std::vector<Item> items_;
  MapCanvas::Labels labels_;
  bool log_ = false;
  Pooling pooling_ = Pooling::max;
};

} // namespace headscope::gui
