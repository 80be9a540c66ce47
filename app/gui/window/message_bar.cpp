// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/message_bar.h"

#include <QGraphicsOpacityEffect>
#include <QHBoxLayout>
#include <QMessageBox>
#include <QPushButton>
#include <QStyle>

#include "app/gui/style/elided_label.h"
#include "core/base/log.h"

namespace headscope::gui {
namespace {

constexpr int note_ms = 8000, fading_ms = 600;

} // namespace

MessageBar::MessageBar(QWidget* parent)
    : QWidget(parent), icon_(new QLabel), text_(new ElidedLabel), details_(new QToolButton), dismiss_(new QToolButton),
      fading_(nullptr) {
  text_->setAccessibleName(tr("Message"));
  text_->set_muted(false);
  details_->setText(tr("Details"));
  dismiss_->setIcon(style()->standardIcon(QStyle::SP_TitleBarCloseButton));
  dismiss_->setAutoRaise(true);
  dismiss_->setAccessibleName(tr("Dismiss the message"));
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(6, 0, 0, 0);
  row->addWidget(icon_);
  row->addWidget(text_, 1);
  row->addWidget(details_);
  row->addWidget(dismiss_);
  setMinimumHeight(details_->sizeHint().height()); // also without a message
  auto* opacity = new QGraphicsOpacityEffect(this);
  opacity->setEnabled(false);
  setGraphicsEffect(opacity);
  fading_ = new QPropertyAnimation(opacity, "opacity", this);
  fading_->setDuration(fading_ms);
  fading_->setStartValue(1.0);
  fading_->setEndValue(0.0);
  until_fading_.setSingleShot(true);
  until_fading_.setInterval(note_ms);
  connect(&until_fading_, &QTimer::timeout, this, [this, opacity] {
    opacity->setEnabled(true);
    fading_->start();
  });
  connect(fading_, &QPropertyAnimation::finished, this, &MessageBar::dismiss);
  connect(details_, &QToolButton::clicked, this, &MessageBar::show_details);
  connect(dismiss_, &QToolButton::clicked, this, &MessageBar::dismiss);
  dismiss();
}

QString MessageBar::text() const { return text_->text(); }

void MessageBar::show_error(const QString& what, const Error& error) {
  log::error(what.toStdString() + ": " + error.to_string());
  show_text(what + QStringLiteral(": ") + QString::fromStdString(error.to_string()), true);
}

void MessageBar::show_note(const QString& text) { show_text(text, false); }

void MessageBar::show_text(const QString& text, bool is_error) {
  dismiss();
  const auto icon = is_error ? QStyle::SP_MessageBoxWarning : QStyle::SP_MessageBoxInformation;
  const int side = fontMetrics().height();
  icon_->setPixmap(style()->standardIcon(icon).pixmap(side, side));
  text_->setText(text);
  text_->setAccessibleDescription(text);
  details_->setVisible(is_error);
  for (QWidget* part : {static_cast<QWidget*>(icon_), static_cast<QWidget*>(dismiss_)})
    part->show();
  if (!is_error) until_fading_.start();
}

void MessageBar::dismiss() {
  until_fading_.stop();
  fading_->stop();
  graphicsEffect()->setEnabled(false);
  text_->clear();
  for (QWidget* part : {static_cast<QWidget*>(icon_), static_cast<QWidget*>(details_), static_cast<QWidget*>(dismiss_)})
    part->hide();
}

void MessageBar::show_details() {
  auto* box = new QMessageBox(QMessageBox::Warning, tr("Message"), text(), QMessageBox::Close, window());
  box->setAttribute(Qt::WA_DeleteOnClose);
  box->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
  connect(box->addButton(tr("Show log"), QMessageBox::ActionRole), &QPushButton::clicked, this,
          &MessageBar::log_wanted);
  box->open();
}

} // namespace headscope::gui
