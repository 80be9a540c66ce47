// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/message_bar.h"

#include <QHBoxLayout>
#include <QPushButton>
#include <QStyle>
#include <QToolButton>

#include "core/base/log.h"

namespace headscope::gui {

MessageBar::MessageBar(QWidget* parent)
    : QFrame(parent), icon_(new QLabel), text_(new QLabel), log_(new QPushButton(tr("Show log"))) {
  setFrameShape(QFrame::StyledPanel);
  setAutoFillBackground(true);
  setBackgroundRole(QPalette::AlternateBase);
  text_->setWordWrap(true);
  text_->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
  text_->setAccessibleName(tr("Message"));
  auto* dismiss = new QToolButton;
  dismiss->setIcon(style()->standardIcon(QStyle::SP_TitleBarCloseButton));
  dismiss->setAutoRaise(true);
  dismiss->setAccessibleName(tr("Dismiss the message"));
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(8, 4, 8, 4);
  row->addWidget(icon_);
  row->addWidget(text_, 1);
  row->addWidget(log_);
  row->addWidget(dismiss);
  connect(dismiss, &QToolButton::clicked, this, [this] { Q_EMIT wanted(false); });
  connect(qobject_cast<QPushButton*>(log_), &QPushButton::clicked, this, &MessageBar::log_wanted);
}

void MessageBar::show_error(const QString& what, const Error& error) {
  log::error(what.toStdString() + ": " + error.to_string());
  show_text(what + QStringLiteral(": ") + QString::fromStdString(error.to_string()), true);
}

void MessageBar::show_note(const QString& text) { show_text(text, false); }

void MessageBar::show_text(const QString& text, bool is_error) {
  const auto icon = is_error ? QStyle::SP_MessageBoxWarning : QStyle::SP_MessageBoxInformation;
  icon_->setPixmap(style()->standardIcon(icon).pixmap(20, 20));
  text_->setText(text);
  log_->setVisible(is_error);
  Q_EMIT wanted(true);
}

} // namespace headscope::gui
