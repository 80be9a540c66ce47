// SPDX-License-Identifier: GPL-3.0-or-later
// One score of all heads as a map of layers and heads, with its colour bar.
#pragma once

#include <optional>
#include <vector>

#include <QWidget>

#include "app/gui/style/theme.h"
#include "app/gui/workspace/score_board.h"

namespace headscope::gui {

class HeadGrid : public QWidget {
  Q_OBJECT
public:
  explicit HeadGrid(QWidget* parent = nullptr);

  // `group_size` is how many query heads share keys and values; 1: none do. `wanted` are the heads that a filter keeps;
  // others are dimmed.
  void set_scores(HeadScores scores, std::vector<bool> wanted, int group_size);
  void clear();
  void set_selected(std::vector<HeadId> heads, bool isolated);
  void set_ablated(std::vector<HeadId> heads);
  void set_planned(std::vector<HeadId> heads); // that a mechanism computes: with a mark in a corner

  const HeadScores& scores() const { return scores_; }
  const figures::ResolvedScale& scale() const { return scale_; }
  QRect cell_rect(HeadId head) const;
  std::optional<HeadId> head_at(const QPoint& point) const;
  QSize sizeHint() const override { return {340, 480}; }
  QSize minimumSizeHint() const override;

Q_SIGNALS:
  void hovered(std::optional<headscope::HeadId> head);
  void clicked(headscope::HeadId head, Qt::KeyboardModifiers modifiers);
  void double_clicked(headscope::HeadId head);
  void stepped(int layers, int heads);                            // arrow keys
  void menu_wanted(headscope::HeadId head, const QPoint& global); // of this head, or of the selected one

protected:
  void paintEvent(QPaintEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void mouseDoubleClickEvent(QMouseEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void leaveEvent(QEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
  void changeEvent(QEvent* event) override;
  void contextMenuEvent(QContextMenuEvent* event) override;

private:
  void place();
  void paint_cells(QPainter& painter) const;
  void paint_marks(QPainter& painter) const;
  void paint_axes(QPainter& painter) const;
  void paint_bar(QPainter& painter) const;
  int index_of(HeadId head) const { return static_cast<int>(head.layer * scores_.n_heads + head.head); }

  HeadScores scores_;
  std::vector<bool> wanted_;
  std::vector<QString> labels_; // of the values, where cells are large enough
  figures::ResolvedScale scale_;
  int group_size_ = 1;
  std::vector<HeadId> selected_, ablated_, planned_;
  bool isolated_ = false;
  std::optional<HeadId> hovered_;
  QRect cells_, bar_;
  bool write_values_ = false;
};

} // namespace headscope::gui
