// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/patching/token_rows.h"

#include <algorithm>

#include <QMouseEvent>
#include <QPainter>
#include <QScrollBar>

#include "app/gui/style/theme.h"

namespace headscope::gui {

class TokenRows::Strip : public QWidget {
public:
  explicit Strip(TokenRows& owner) : owner_(owner) {}

  void set_tokens(const std::vector<TokenInfo>& clean, const std::vector<TokenInfo>& corrupt) {
    for (auto& [tokens, texts] : {std::pair(&clean, &rows_[0]), std::pair(&corrupt, &rows_[1])}) {
      texts->clear();
      for (const TokenInfo& token : *tokens)
        texts->append(token_text(token.text.empty() ? token.piece : token.text));
    }
    arrange();
  }

  void arrange() {
    const QFontMetrics metrics = fontMetrics();
    const int pad = metrics.averageCharWidth();
    names_ = std::max(metrics.horizontalAdvance(tr("clean")), metrics.horizontalAdvance(tr("corrupt"))) + 2 * pad;
    edges_ = {names_};
    for (qsizetype i = 0; i < std::max(rows_[0].size(), rows_[1].size()); ++i) {
      int width = 0;
      for (const QStringList& row : rows_)
        if (i < row.size()) width = std::max(width, metrics.horizontalAdvance(row[i]));
      edges_.push_back(edges_.back() + width + 2 * pad);
    }
    setFixedSize(edges_.back() + pad, 2 * row_height() + 4);
    update();
  }

  int row_height() const { return fontMetrics().height() + 4; }
  std::optional<int> current;

protected:
  void paintEvent(QPaintEvent* event) override {
    QPainter painter(this);
    painter.fillRect(rect(), inks().page);
    for (int row = 0; row < 2; ++row) {
      painter.setPen(inks().muted);
      const int y = 2 + row * row_height();
      painter.drawText(QRect(0, y, names_, row_height()), Qt::AlignVCenter, row == 0 ? tr("clean") : tr("corrupt"));
      const QStringList& texts = rows_[static_cast<std::size_t>(row)];
      for (qsizetype i = 0; i < texts.size(); ++i) {
        const auto at = static_cast<std::size_t>(i);
        const QRect box(edges_[at], y, edges_[at + 1] - edges_[at], row_height());
        if (!box.intersects(event->rect())) continue;
        const bool differs =
            std::binary_search(owner_.differing_.begin(), owner_.differing_.end(), static_cast<int>(i));
        if (differs) painter.fillRect(box.adjusted(1, 1, -1, -1), inks().accent);
        painter.setPen(differs ? text_on(inks().accent) : inks().text);
        painter.drawText(box, Qt::AlignCenter, texts[i]);
        if (current == static_cast<int>(i)) {
          painter.setPen(QPen(inks().text, 1));
          painter.drawRect(box.adjusted(0, 0, -1, -1));
        }
      }
    }
  }

  void mousePressEvent(QMouseEvent* event) override {
    const int x = static_cast<int>(event->position().x());
    for (std::size_t i = 0; i + 1 < edges_.size(); ++i)
      if (x >= edges_[i] && x < edges_[i + 1]) {
        Q_EMIT owner_.position_clicked(static_cast<int>(i));
        return;
      }
  }

private:
  TokenRows& owner_;
  QStringList rows_[2];
  std::vector<int> edges_; // left edge of each position, and the end
  int names_ = 0;
};

TokenRows::TokenRows(QWidget* parent) : QScrollArea(parent), strip_(new Strip(*this)) {
  setWidget(strip_);
  setFrameShape(QFrame::NoFrame);
  viewport()->setBackgroundRole(QPalette::Base);
  setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  setAccessibleName(tr("Tokens of both prompts"));
  set_tokens({}, {});
}

void TokenRows::set_tokens(const std::vector<TokenInfo>& clean, const std::vector<TokenInfo>& corrupt) {
  differing_.clear();
  for (std::size_t i = 0; i < std::max(clean.size(), corrupt.size()); ++i) {
    const bool same =
        i < clean.size() && i < corrupt.size() && clean[i].id == corrupt[i].id && clean[i].piece == corrupt[i].piece;
    if (!same) differing_.push_back(static_cast<int>(i));
  }
  strip_->set_tokens(clean, corrupt);
  setFixedHeight(strip_->height() + horizontalScrollBar()->sizeHint().height());
}

void TokenRows::set_current(std::optional<int> position) {
  strip_->current = position;
  strip_->update();
}

void TokenRows::changeEvent(QEvent* event) {
  QScrollArea::changeEvent(event);
  if (event->type() != QEvent::FontChange) return;
  strip_->arrange();
  setFixedHeight(strip_->height() + horizontalScrollBar()->sizeHint().height());
}

} // namespace headscope::gui
