// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/ablation/prediction_bars.h"

#include <algorithm>
#include <cmath>

#include <QChart>
#include <QGraphicsLayout>
#include <QHelpEvent>
#include <QToolTip>

#include "app/gui/style/theme.h"

namespace headscope::gui {
namespace {

constexpr double least_longest = 0.05; // a probability that is never shown as a full bar

QString percent(double p) { return QString::number(100.0 * p, 'f', 1) + QStringLiteral("%"); }

// In the colour of what got less or more likely.
QString change(const PredictedToken& token) {
  const double points = 100.0 * (token.ablated - token.clean);
  const QColor color = points < 0.0 ? inks().warning : inks().accent;
  return QStringLiteral("<span style='color:%1'>%2%3</span>")
      .arg(color.name(), points < 0.0 ? QStringLiteral("−") : QStringLiteral("+"),
           QString::number(std::abs(points), 'f', 1));
}

} // namespace

PredictionBars::PredictionBars(QWidget* parent)
    : ChartView(tr("Next-token probabilities, clean beside ablated"), parent), first_(tr("clean")),
      second_(tr("ablated")) {
  setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
  setMinimumSize(0, 0);
  chart()->setMargins(QMargins(0, 0, 2, 0)); // the last figure would be cut off
  chart()->layout()->setContentsMargins(0, 0, 0, 0);
}

void PredictionBars::set_prediction(std::vector<PredictedToken> tokens, bool compare) {
  tokens_ = std::move(tokens);
  compare_ = compare;
  refill();
  updateGeometry();
}

void PredictionBars::set_names(const QString& first, const QString& second) {
  first_ = first;
  second_ = second;
  setAccessibleName(tr("Next-token probabilities, %1 beside %2").arg(first, second));
}

void PredictionBars::refill() {
  BarPairs pairs{first_, second_, {}, {}, {}, {}, least_longest};
  QStringList spoken;
  for (const PredictedToken& token : tokens_) {
    const QString name = token_text(token.token.text, 16);
    pairs.names.append(name);
    pairs.notes.append(compare_ ? percent(token.ablated) + QStringLiteral(" ") + change(token) : percent(token.clean));
    pairs.first_values.push_back(token.clean);
    if (compare_) pairs.second_values.push_back(token.ablated);
    pairs.longest = std::max({pairs.longest, token.clean, compare_ ? token.ablated : 0.0});
    spoken.append(name + QStringLiteral(" ") + percent(token.clean) +
                  (compare_ ? QStringLiteral(" → ") + percent(token.ablated) : QString()));
  }
  show_pairs(*chart(), pairs);
  setAccessibleDescription(spoken.join(QStringLiteral(", ")));
}

QSize PredictionBars::sizeHint() const {
  // An axis of Qt Charts writes a name where the height of all rows, parted by two more than there are, leaves room for
  // it and 4 pixels on both sides. Above is the legend.
  const int line = fontMetrics().height(), rows = std::max(1, static_cast<int>(tokens_.size()));
  return {320, (rows + 2) * (line + 10) + line + 24};
}

QSize PredictionBars::minimumSizeHint() const { return {220, sizeHint().height()}; }

QRectF PredictionBars::bar_rect(int row, bool ablated) const {
  if (row < 0 || row >= static_cast<int>(tokens_.size()) || (ablated && !compare_)) return {};
  const QRectF area = chart()->plotArea();
  const PredictedToken& token = tokens_[static_cast<std::size_t>(row)];
  const double high = area.height() / static_cast<double>(tokens_.size());
  const double right = chart()->mapToPosition({ablated ? token.ablated : token.clean, 0.0}).x();
  const double top = area.top() + high * row + high * (compare_ ? (ablated ? 0.5 : 0.1) : 0.1);
  return {area.left(), top, right - area.left(), high * (compare_ ? 0.4 : 0.8)};
}

QString PredictionBars::tip(std::size_t row) const {
  const PredictedToken& token = tokens_[row];
  const QString text =
      tr("%1 (id %2)\n%3 %4").arg(token_text(token.token.text, 60)).arg(token.token.id).arg(first_).arg(token.clean);
  return compare_ ? text + tr("\n%1 %2").arg(second_).arg(token.ablated) : text;
}

bool PredictionBars::viewportEvent(QEvent* event) {
  if (event->type() != QEvent::ToolTip) return ChartView::viewportEvent(event);
  const auto* help = static_cast<QHelpEvent*>(event);
  const QRectF area = chart()->plotArea();
  const double share = (help->pos().y() - area.top()) / area.height();
  const bool on_row = !tokens_.empty() && share >= 0.0 && share < 1.0;
  QToolTip::showText(help->globalPos(),
                     on_row ? tip(static_cast<std::size_t>(share * static_cast<double>(tokens_.size()))) : QString(),
                     this);
  return true;
}

// The colours of the changes are in the texts.
void PredictionBars::changeEvent(QEvent* event) {
  ChartView::changeEvent(event);
  if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) refill();
}

} // namespace headscope::gui
