// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/methods/method_result.h"

#include <QClipboard>
#include <QFontDatabase>
#include <QGuiApplication>
#include <QHBoxLayout>
#include <QLabel>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QVBoxLayout>

#include "app/gui/style/follow_font.h"

namespace headscope::gui {
namespace {

QLabel* message_label(const QString& name) {
  auto* label = new QLabel;
  label->setWordWrap(true);
  label->setTextFormat(Qt::PlainText);
  label->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
  label->setAccessibleName(name);
  label->setVisible(false);
  return label;
}

void show_text(QLabel* label, const QString& text) {
  label->setText(text);
  label->setVisible(!text.isEmpty());
}

QString error_text(const Error& error) {
  if (error.code == ErrorCode::cancelled) return MethodResult::tr("Cancelled: not everything was measured.");
  return QString::fromStdString(error.to_string());
}

QString messages_of(const MethodAnswer& answer) {
  QStringList lines;
  if (answer.error) lines << error_text(*answer.error);
  for (const std::string& warning : answer.warnings)
    lines << MethodResult::tr("Warning: %1").arg(QString::fromStdString(warning));
  return lines.join(QLatin1Char('\n'));
}

QString notes_of(const MethodAnswer& answer) {
  QStringList lines;
  for (const std::string& note : answer.notes)
    lines << QString::fromStdString(note);
  return lines.join(QLatin1Char('\n'));
}

} // namespace

MethodResult::MethodResult(QWidget* parent)
    : QWidget(parent), stale_(message_label(tr("What the result is of"))),
      messages_(message_label(tr("Errors and warnings"))), notes_(message_label(tr("Notes"))),
      text_(new QPlainTextEdit) {
  messages_->setForegroundRole(QPalette::BrightText); // the theme's colour of warnings
  stale_->setForegroundRole(QPalette::BrightText);
  notes_->setForegroundRole(QPalette::PlaceholderText);
  text_->setReadOnly(true);
  text_->setLineWrapMode(QPlainTextEdit::NoWrap); // tables
  follow_font(*this, [this] {
    QFont fixed = QFontDatabase::systemFont(QFontDatabase::FixedFont);
    fixed.setPointSizeF(font().pointSizeF());
    text_->setFont(fixed);
  });
  text_->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
  text_->setTabChangesFocus(true);
  text_->setAccessibleName(tr("Result"));
  text_->setPlaceholderText(tr("What the method answers appears here."));
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(4, 0, 0, 0);
  column->addWidget(stale_);
  column->addWidget(messages_);
  column->addWidget(text_, 1);
  column->addWidget(notes_);
  column->addWidget(make_buttons());
  show_answer(std::nullopt);
}

QWidget* MethodResult::make_buttons() {
  copy_ = new QPushButton(tr("Copy"));
  copy_json_ = new QPushButton(tr("Copy as JSON"));
  open_ = new QPushButton(tr("Open file"));
  open_->setToolTip(tr("Open the result file in this window"));
  auto* box = new QWidget;
  auto* row = new QHBoxLayout(box);
  row->setContentsMargins(0, 0, 0, 0);
  for (QPushButton* button : {copy_, copy_json_, open_})
    row->addWidget(button);
  row->addStretch(1);
  connect(copy_, &QPushButton::clicked, this, [this] { QGuiApplication::clipboard()->setText(text()); });
  connect(copy_json_, &QPushButton::clicked, this, [this] { QGuiApplication::clipboard()->setText(json_); });
  connect(open_, &QPushButton::clicked, this, [this] { Q_EMIT open_wanted(file_); });
  return box;
}

void MethodResult::show_answer(const std::optional<MethodAnswer>& answer) {
  show_text(messages_, answer ? messages_of(*answer) : QString());
  show_text(notes_, answer ? notes_of(*answer) : QString());
  show_stale({});
  text_->setPlainText(answer ? QString::fromStdString(answer->text) : QString());
  json_ = answer ? QString::fromStdString(answer->json) : QString();
  file_ = answer ? QString::fromStdString(answer->file) : QString();
  copy_->setEnabled(!text().isEmpty());
  copy_json_->setEnabled(!json_.isEmpty());
  open_->setVisible(!file_.isEmpty());
}

void MethodResult::show_stale(const QString& why) { show_text(stale_, why); }

QString MethodResult::text() const { return text_->toPlainText(); }
QString MethodResult::messages() const { return messages_->text(); }
QString MethodResult::stale() const { return stale_->text(); }

} // namespace headscope::gui
