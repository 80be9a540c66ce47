// SPDX-License-Identifier: GPL-3.0-or-later
// A small map of values with names beside its rows and columns, and a text in each cell where there is room; used by
// the patching and the lens view. Knows nothing of models.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include <QAbstractScrollArea>

#include "app/figures/color_map.h"

namespace headscope::gui {

struct Cell {
  int row = 0, col = 0;
  friend bool operator==(const Cell&, const Cell&) = default;
};

class CellMap : public QAbstractScrollArea {
  Q_OBJECT
public:
  explicit CellMap(QWidget* parent = nullptr);

  struct Content {
    int rows = 0, cols = 0;
    std::vector<float> values; // [row, col]; NaN: not measured
    figures::ResolvedScale scale;
    QStringList row_labels, col_labels; // empty: 0, 1, 2, …
    QStringList texts;                  // [row, col], or none
    QString row_axis, col_axis;         // what rows and columns are
    std::vector<Cell> outlined, warned; // with a thin frame, in the colour of text or of warnings
  };
  void set_content(Content content);
  const Content& content() const { return content_; }

  // Sets the text of an empty map.
  void set_hint(const QString& text);

  void set_current(std::optional<Cell> cell); // has an outline
  std::optional<Cell> current() const { return current_; }
  // The cell's rectangle in the viewport.
  QRectF cell_rect(Cell cell) const;

  std::function<QString(Cell)> tip; // of the tool tip

Q_SIGNALS:
  void cell_clicked(Cell cell); // also when the keyboard selects it
  void cell_hovered(std::optional<Cell> cell);
  void menu_wanted(Cell cell, const QPoint& global); // of this cell, or of the current one

protected:
  void paintEvent(QPaintEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  void changeEvent(QEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
  bool viewportEvent(QEvent* event) override;
  void contextMenuEvent(QContextMenuEvent* event) override;

private:
  void arrange();
  int title_height() const; // of what columns are
  void show_cell(Cell cell);
  std::optional<Cell> cell_at(QPointF place) const;
  double value(Cell cell) const {
    return content_.values[static_cast<std::size_t>(cell.row) * static_cast<std::size_t>(content_.cols) +
                           static_cast<std::size_t>(cell.col)];
  }
  void paint_cells(QPainter& painter, const QRect& exposed) const;
  void paint_rows(QPainter& painter) const;
  void paint_columns(QPainter& painter) const;
  void paint_scale(QPainter& painter) const;

  Content content_;
  QString hint_;
  std::optional<Cell> current_, hovered_;
  double cell_width_ = 1, cell_height_ = 1;
  int left_ = 0, top_ = 0, right_ = 0; // margins of labels and of the scale
};

} // namespace headscope::gui
