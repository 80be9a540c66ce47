// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/prompt_edit.h"
#include "app/gui/style/keys.h"

#include <algorithm>

#include <QClipboard>
#include <QGuiApplication>
#include <QKeyEvent>
#include <QLocale>
#include <QMimeData>

namespace headscope::gui {
namespace {

constexpr int most_lines = 4;
constexpr int beginning = 300; // characters of a text that is kept aside

} // namespace

PromptEdit::PromptEdit(QWidget* parent) : QPlainTextEdit(parent) {
  setPlaceholderText(tr("Type or paste a prompt; Enter takes it, Shift+Enter begins a new line"));
  setAccessibleName(tr("Prompt"));
  set_keys(*this, tr("Enter takes the prompt, Shift+Enter begins a new line"));
  setTabChangesFocus(true);
  setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
  connect(document()->documentLayout(), &QAbstractTextDocumentLayout::documentSizeChanged, this, &PromptEdit::fit);
}

QString PromptEdit::text() const { return folded() ? kept_ : toPlainText(); }

void PromptEdit::set_text(const QString& text) {
  const bool fold = text.size() > longest_shown;
  kept_ = fold ? text : QString();
  setReadOnly(fold);
  setPlainText(fold ? tr("%1… (%2 characters; Backspace removes them, pasting replaces them)")
                          .arg(text.left(beginning).simplified(), QLocale().toString(text.size()))
                    : text);
}

QSize PromptEdit::sizeHint() const {
  const int margins = static_cast<int>(2 * document()->documentMargin()) + 2 * frameWidth();
  return {400, lines_ * fontMetrics().lineSpacing() + margins};
}

// The document's height is in lines.
void PromptEdit::fit() {
  const int all = static_cast<int>(document()->size().height()), lines = std::clamp(all, 1, most_lines);
  setVerticalScrollBarPolicy(all > most_lines ? Qt::ScrollBarAsNeeded : Qt::ScrollBarAlwaysOff);
  if (lines == lines_) return;
  lines_ = lines;
  updateGeometry();
}

void PromptEdit::keyPressEvent(QKeyEvent* event) {
  if (event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter) {
    if (!event->modifiers().testFlag(Qt::ShiftModifier))
      Q_EMIT taken();
    else if (!folded())
      insertPlainText(QStringLiteral("\n"));
    return;
  }
  if (folded()) { // the field is read-only, but not a dead end
    if (event->matches(QKeySequence::Paste)) return set_text(QGuiApplication::clipboard()->text());
    const bool removes = event->key() == Qt::Key_Backspace || event->matches(QKeySequence::Delete);
    if (removes || event->matches(QKeySequence::Cut)) return set_text({});
  }
  QPlainTextEdit::keyPressEvent(event);
}

void PromptEdit::insertFromMimeData(const QMimeData* source) {
  const QString pasted = source->text();
  if (document()->characterCount() + pasted.size() <= longest_shown) return QPlainTextEdit::insertFromMimeData(source);
  QString whole = toPlainText();
  const QTextCursor at = textCursor();
  set_text(whole.replace(at.selectionStart(), at.selectionEnd() - at.selectionStart(), pasted));
}

} // namespace headscope::gui
