// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/ablation/prediction_bars.h"

#include <algorithm>

#include <QHelpEvent>
#include <QPainter>
#include <QToolTip>

#include "app/gui/style/theme.h"

namespace headscope::gui {

QColor clean_color() { return inks().muted; }
QColor ablated_color() { return inks().accent; }

PredictionBars::PredictionBars(QWidget* parent) : QWidget(parent) {
  setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
  setAccessibleName(tr("Next-token probabilities, clean beside ablated"));
}

void PredictionBars::set_prediction(std::vector<PredictedToken> tokens, bool compare) {
  tokens_ = std::move(tokens);
  compare_ = compare;
  measure();
  updateGeometry();
  update();
}

void PredictionBars::measure() {
  rows_.clear();
  longest_ = 0.05;
  label_width_ = value_width_ = 0;
  const auto percent = [](double p) { return QString::number(100.0 * p, 'f', 1) + QStringLiteral(" %"); };
  QStringList spoken;
  for (const PredictedToken& token : tokens_) {
    Row row{token_text(token.token.text, 16), percent(token.clean), {}, token.clean, token.ablated};
    if (compare_) {
      row.value = percent(token.ablated);
      const double change = 100.0 * (token.ablated - token.clean);
      row.change =
          (change >= 0.0 ? QStringLiteral("+") : QStringLiteral("−")) + QString::number(std::abs(change), 'f', 1);
    }
    longest_ = std::max({longest_, token.clean, token.ablated});
    label_width_ = std::max(label_width_, fontMetrics().horizontalAdvance(row.label));
    spoken.append(row.label + QStringLiteral(" ") + percent(token.clean) +
                  (compare_ ? QStringLiteral(" → ") + percent(token.ablated) : QString()));
    rows_.push_back(std::move(row));
  }
  value_width_ =
      fontMetrics().horizontalAdvance(compare_ ? QStringLiteral("100.0 %  +100.0") : QStringLiteral("100.0 %"));
  setAccessibleDescription(spoken.join(QStringLiteral(", ")));
}

int PredictionBars::row_height() const { return fontMetrics().height() + 6; }

QSize PredictionBars::sizeHint() const {
  const int rows = std::max<int>(1, static_cast<int>(rows_.size()));
  return {320, legend_height() + rows * row_height() + 2};
}

QSize PredictionBars::minimumSizeHint() const { return {220, sizeHint().height()}; }

QRect PredictionBars::bars_area() const {
  return rect().adjusted(label_width_ + 10, legend_height(), -value_width_ - 10, 0);
}

QRect PredictionBars::bar_rect(int row, bool ablated) const {
  if (row < 0 || row >= static_cast<int>(rows_.size()) || (ablated && !compare_)) return {};
  const Row& values = rows_[static_cast<std::size_t>(row)];
  const QRect area = bars_area();
  const int full = row_height() - 4, height = compare_ ? full / 2 : full;
  const int top = area.top() + row * row_height() + 2 + (ablated ? height : 0);
  const double share = (ablated ? values.ablated : values.clean) / longest_;
  return {area.left(), top, std::max(1, static_cast<int>(share * area.width())), height};
}

void PredictionBars::paint_legend(QPainter& painter) const {
  const int line = fontMetrics().height();
  int x = bars_area().left();
  const auto entry = [&](const QColor& color, const QString& text) {
    painter.fillRect(QRect(x, line / 4, line / 2, line / 2), color);
    painter.setPen(inks().text);
    x += line / 2 + 4;
    painter.drawText(QPoint(x, fontMetrics().ascent()), text);
    x += fontMetrics().horizontalAdvance(text) + line;
  };
  entry(clean_color(), tr("clean"));
  if (compare_) entry(ablated_color(), tr("ablated"));
}

void PredictionBars::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  if (rows_.empty()) return;
  paint_legend(painter);
  const QRect area = bars_area();
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const int row = static_cast<int>(i), top = area.top() + row * row_height();
    painter.setPen(inks().text);
    painter.drawText(QRect(0, top, label_width_ + 4, row_height()), Qt::AlignRight | Qt::AlignVCenter, rows_[i].label);
    painter.fillRect(bar_rect(row, false), clean_color());
    if (compare_) painter.fillRect(bar_rect(row, true), ablated_color());
    const QRect values(area.right() + 8, top, value_width_, row_height());
    painter.drawText(values, Qt::AlignLeft | Qt::AlignVCenter, rows_[i].value);
    painter.setPen(rows_[i].ablated < rows_[i].clean ? inks().warning : inks().accent);
    painter.drawText(values, Qt::AlignRight | Qt::AlignVCenter, rows_[i].change);
  }
}

bool PredictionBars::event(QEvent* event) {
  if (event->type() != QEvent::ToolTip) return QWidget::event(event);
  const auto* help = static_cast<QHelpEvent*>(event);
  const int row = (help->pos().y() - legend_height()) / row_height();
  if (help->pos().y() < legend_height() || row >= static_cast<int>(tokens_.size())) {
    QToolTip::hideText();
    return true;
  }
  const PredictedToken& token = tokens_[static_cast<std::size_t>(row)];
  QString text = tr("%1 (id %2)\nclean %3").arg(token_text(token.token.text, 60)).arg(token.token.id).arg(token.clean);
  if (compare_) text += tr("\nablated %1").arg(token.ablated);
  QToolTip::showText(help->globalPos(), text, this);
  return true;
}

void PredictionBars::changeEvent(QEvent* event) {
  QWidget::changeEvent(event);
  if (event->type() == QEvent::FontChange) measure();
}

} // namespace headscope::gui
