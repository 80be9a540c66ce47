// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/finder.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <QKeyEvent>
#include <QVBoxLayout>

#include "app/gui/style/theme.h"

namespace headscope::gui {
namespace {

void find_heads(const Workspace& workspace, const QString& text, std::size_t most, std::vector<Finding>& out) {
  for (int layer = 0; layer < workspace.n_layers(); ++layer)
    for (int head = 0; head < workspace.n_heads(); ++head) {
      const QString label = QString::fromStdString(head_name({layer, head}));
      if (label.startsWith(text) && out.size() < most)
        out.push_back({Finder::tr("Head %1").arg(label), HeadId{layer, head}, std::nullopt});
    }
}

// The three strongest heads of a score.
void find_by_score(const HeadScores& scores, std::vector<Finding>& out) {
  std::vector<std::size_t> order(scores.values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto size = [&](std::size_t i) {
    const float value = scores.values[i];
    return std::isnan(value) ? -1.0F : scores.diverging ? std::abs(value) : value;
  };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return size(a) > size(b); });
  for (std::size_t i = 0; i < std::min<std::size_t>(3, order.size()); ++i) {
    const HeadId head{static_cast<int>(order[i]) / scores.n_heads, static_cast<int>(order[i]) % scores.n_heads};
    out.push_back({Finder::tr("Head %1 · %2 %3")
                       .arg(QString::fromStdString(head_name(head)), QString::fromStdString(scores.title))
                       .arg(static_cast<double>(scores.values[order[i]]), 0, 'f', 3),
                   head, std::nullopt});
  }
}

} // namespace

std::vector<Finding> find_in(const Workspace& workspace, const QString& text, std::size_t most) {
  std::vector<Finding> out;
  if (text.isEmpty()) return out;
  find_heads(workspace, text, most, out);
  for (const HeadScores& scores : workspace.scores().all())
    if (QString::fromStdString(scores.title).contains(text, Qt::CaseInsensitive)) find_by_score(scores, out);
  const std::vector<TokenInfo>& tokens = workspace.prompt().tokens();
  for (std::size_t i = 0; i < tokens.size() && out.size() < most; ++i)
    if (QString::fromStdString(tokens[i].text).contains(text, Qt::CaseInsensitive))
      out.push_back(
          {Finder::tr("Token %1 · %2").arg(i).arg(token_text(tokens[i].text, 30)), std::nullopt, static_cast<int>(i)});
  if (out.size() > most) out.resize(most);
  return out;
}

Finder::Finder(Workspace& workspace, QWidget* parent)
    : QDialog(parent), workspace_(workspace), text_(new QLineEdit), list_(new QListWidget) {
  setWindowTitle(tr("Find"));
  text_->setPlaceholderText(tr("18.6, induction, or a token"));
  text_->setAccessibleName(tr("What to find"));
  text_->installEventFilter(this);
  list_->setAccessibleName(tr("Found heads and tokens"));
  auto* column = new QVBoxLayout(this);
  column->addWidget(text_);
  column->addWidget(list_);
  resize(fontMetrics().averageCharWidth() * 60, fontMetrics().height() * 18);
  connect(text_, &QLineEdit::textChanged, this, &Finder::show_findings);
  connect(text_, &QLineEdit::returnPressed, this, &Finder::take);
  connect(list_, &QListWidget::itemActivated, this, &Finder::take);
}

bool Finder::eventFilter(QObject* watched, QEvent* event) {
  if (event->type() != QEvent::KeyPress) return QDialog::eventFilter(watched, event);
  const int key = static_cast<QKeyEvent*>(event)->key();
  if (key != Qt::Key_Up && key != Qt::Key_Down) return QDialog::eventFilter(watched, event);
  const int row = list_->currentRow() + (key == Qt::Key_Down ? 1 : -1);
  list_->setCurrentRow(std::clamp(row, 0, std::max(0, list_->count() - 1)));
  return true;
}

void Finder::show_findings() {
  findings_ = find_in(workspace_, text_->text().trimmed());
  list_->clear();
  for (const Finding& finding : findings_)
    list_->addItem(finding.text);
  if (findings_.empty() && !text_->text().isEmpty()) {
    list_->addItem(tr("Nothing of that name"));
    list_->item(0)->setFlags(Qt::NoItemFlags);
  }
  list_->setCurrentRow(findings_.empty() ? -1 : 0);
}

void Finder::take() {
  const int row = list_->currentRow();
  if (row < 0 || row >= static_cast<int>(findings_.size())) return;
  const Finding& found = findings_[static_cast<std::size_t>(row)];
  if (found.head) workspace_.selection().set_head(*found.head);
  if (found.token) workspace_.selection().set_tokens(found.token, std::nullopt);
  accept();
}

} // namespace headscope::gui
