// SPDX-License-Identifier: GPL-3.0-or-later
// Shows tokens as chips in one row. Only visible chips are laid out: the scroll bar counts tokens, not pixels.
#pragma once

#include <optional>
#include <vector>

#include <QAbstractScrollArea>

#include "app/gui/engine/values.h"

namespace headscope::gui {

class TokenStrip : public QAbstractScrollArea {
  Q_OBJECT
public:
  explicit TokenStrip(QWidget* parent = nullptr);

  // Sets the prompt's tokens, then generated ones; those from `n_shown` on exist but are not analysed.
  void set_tokens(std::vector<TokenInfo> tokens, std::size_t n_prompt, std::size_t n_shown);
  void set_pins(std::optional<int> query, std::optional<int> key);
  void scroll_to(int token);

  const TokenInfo& token(int at) const { return tokens_[static_cast<std::size_t>(at)]; }
  std::size_t count() const { return tokens_.size(); }
  int token_at(const QPoint& point) const; // -1: none
  QRect chip_rect(int token) const;        // empty when it is out of sight
  std::size_t laid_out() const { return chips_.size(); }

  QSize sizeHint() const override;
  QSize minimumSizeHint() const override { return {80, sizeHint().height()}; }

Q_SIGNALS:
  void clicked(int token, Qt::KeyboardModifiers modifiers);
  void menu_wanted(int token, const QPoint& place); // on the screen

protected:
  void paintEvent(QPaintEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
  void contextMenuEvent(QContextMenuEvent* event) override;
  void wheelEvent(QWheelEvent* event) override;
  bool viewportEvent(QEvent* event) override;
  void changeEvent(QEvent* event) override;

private:
  struct Chip {
    int token = 0;
    QRect rect;
    QString label;
  };
  int chip_width(const QString& label) const;
  QString label_of(int token) const;
  void update_range();
  void lay_out();
  void paint_chip(QPainter& painter, const Chip& chip) const;
  QString tip_of(int token) const;

  std::vector<TokenInfo> tokens_;
  std::size_t n_prompt_ = 0, n_shown_ = 0;
  std::optional<int> query_, key_;
  int current_ = -1; // of the keyboard
  std::vector<Chip> chips_;
};

} // namespace headscope::gui
