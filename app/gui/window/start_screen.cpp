// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/start_screen.h"

#include <QFileInfo>
#include <QLabel>
#include <QPushButton>

#include "app/gui/window/loading_fields.h"

namespace headscope::gui {
namespace {

QPushButton* big_button(const QString& text, const QString& hint) {
  auto* button = new QPushButton(text);
  button->setToolTip(hint);
  button->setMinimumSize(360, 40);
  return button;
}

QLabel* heading(const QString& text, double scale) {
  auto* label = new QLabel(text);
  QFont font = label->font();
  font.setPointSizeF(font.pointSizeF() * scale);
  font.setBold(true);
  label->setFont(font);
  return label;
}

} // namespace

StartScreen::StartScreen(QWidget* parent) : QWidget(parent), recent_(new QVBoxLayout), loading_(new LoadingFields) {
  setAccessibleName(tr("Start"));
  auto* page = new QVBoxLayout;
  page->addWidget(heading(tr("Headscope"), 2.0));
  auto* hint = new QLabel(tr("Open a model to look at its heads, or a result file. Files can also be dropped here."));
  hint->setWordWrap(true);
  page->addWidget(hint);
  page->addSpacing(16);
  auto* standard =
      big_button(tr("Open the default model, SmolLM2-135M"), tr("135 million parameters, runs on any CPU"));
  auto* file =
      big_button(tr("Open a model or result file…"), tr("A .gguf file, a Hugging Face folder, or a result .h5"));
  standard->setDefault(true);
  page->addWidget(standard);
  page->addWidget(file);
  page->addWidget(loading_);
  auto* tour = big_button(tr("Tour of one minute"), tr("From a prompt to an ablated induction head"));
  page->addWidget(tour);
  connect(tour, &QPushButton::clicked, this, &StartScreen::tour_wanted);
  page->addSpacing(16);
  page->addLayout(recent_);
  auto* centred = new QGridLayout(this);
  centred->setRowStretch(0, 1);
  centred->setRowStretch(2, 2);
  centred->setColumnStretch(0, 1);
  centred->setColumnStretch(2, 1);
  centred->addLayout(page, 1, 1);
  connect(standard, &QPushButton::clicked, this, [this] { Q_EMIT open_wanted(QStringLiteral("smollm2")); });
  connect(file, &QPushButton::clicked, this, &StartScreen::dialog_wanted);
}

void StartScreen::set_recent(const QStringList& paths) {
  while (QLayoutItem* item = recent_->takeAt(0)) {
    delete item->widget();
    delete item;
  }
  if (paths.isEmpty()) return;
  recent_->addWidget(heading(tr("Recent"), 1.1));
  for (const QString& path : paths) {
    auto* button = new QPushButton(QFileInfo(path).fileName().isEmpty() ? path : QFileInfo(path).fileName());
    button->setToolTip(path);
    button->setFlat(true);
    button->setStyleSheet(QStringLiteral("text-align: left; padding: 4px"));
    connect(button, &QPushButton::clicked, this, [this, path] { Q_EMIT open_wanted(path); });
    recent_->addWidget(button);
  }
}

} // namespace headscope::gui
