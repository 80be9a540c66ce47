// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/methods/field_editor.h"

#include <QCheckBox>
#include <QComboBox>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QToolButton>
#include <QVBoxLayout>

#include "app/gui/style/follow_font.h"
#include "app/gui/style/theme.h"

namespace headscope::gui {
namespace {

constexpr int lines_shown = 3;

// Ignores the wheel, which scrolls the form: a value must not change because it came under the pointer.
class CalmCombo : public QComboBox {
public:
  CalmCombo() { setFocusPolicy(Qt::StrongFocus); }

protected:
  void wheelEvent(QWheelEvent* event) override { event->ignore(); }
};

// A line edit for a number. A spin box would clip values at its bounds, has no empty state and fewer digits than a
// seed. Up and Down change an integer by 1.
class NumberEdit : public QLineEdit {
public:
  explicit NumberEdit(bool whole) : whole_(whole) {}

protected:
  void keyPressEvent(QKeyEvent* event) override {
    const int step = event->key() == Qt::Key_Up ? 1 : event->key() == Qt::Key_Down ? -1 : 0;
    bool number = false;
    const qint64 value = text().toLongLong(&number);
    if (!whole_ || step == 0 || !number) return QLineEdit::keyPressEvent(event);
    setText(QString::number(value + step));
  }

private:
  bool whole_;
};

QString as_qt(const std::string& text) { return QString::fromStdString(text); }

} // namespace

FieldEditor::FieldEditor(const FormField& field, QWidget* parent)
    : QWidget(parent), problem_(new QLabel), help_(as_qt(field.help)) {
  setObjectName(as_qt(field.name));
  switch (field.kind) {
  case FieldKind::flag: make_flag(); break;
  case FieldKind::choice: make_choice(field); break;
  case FieldKind::text:
  case FieldKind::lines: make_lines(field); break;
  case FieldKind::number:
  case FieldKind::words:
  case FieldKind::line: make_line(field); break;
  }
  editor_->setToolTip(as_qt(field.tip));
  editor_->setAccessibleName(as_qt(field.label));
  editor_->setAccessibleDescription(help_);
  setFocusProxy(editor_);
  setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Maximum); // a tall window has no gaps between fields
  problem_->setWordWrap(true);
  problem_->setForegroundRole(QPalette::BrightText); // the theme's colour of warnings
  problem_->setVisible(false);
  auto* row = new QHBoxLayout;
  row->addWidget(editor_, 1);
  add_unit(*row, field);
  if (field.reads_file || field.saves_file) add_file_button(*row, field);
  if (field.kind == FieldKind::text) add_take_button(*row);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(2);
  column->addLayout(row);
  column->addWidget(problem_);
  set_(as_qt(field.standard));
}

void FieldEditor::make_flag() {
  auto* box = new QCheckBox;
  editor_ = box;
  get_ = [box] { return box->isChecked() ? QStringLiteral("true") : QStringLiteral("false"); };
  set_ = [box](const QString& text) { box->setChecked(text == QStringLiteral("true")); };
  connect(box, &QCheckBox::toggled, this, &FieldEditor::edited);
}

void FieldEditor::make_choice(const FormField& field) {
  auto* box = new CalmCombo;
  editor_ = box;
  for (const methods::Choice& choice : field.choices) {
    box->addItem(as_qt(choice.name));
    if (!choice.what.empty()) box->setItemData(box->count() - 1, as_qt(choice.what), Qt::ToolTipRole);
  }
  get_ = [box] { return box->currentText(); };
  set_ = [box](const QString& text) { box->setCurrentText(text); };
  connect(box, &QComboBox::currentIndexChanged, this, &FieldEditor::edited);
}

void FieldEditor::make_line(const FormField& field) {
  auto* line = field.kind == FieldKind::number ? new NumberEdit(field.whole) : new QLineEdit;
  editor_ = line;
  if (field.kind == FieldKind::words) line->setPlaceholderText(tr("a, b, c"));
  if (field.kind == FieldKind::number && field.standard.empty()) line->setPlaceholderText(tr("default"));
  get_ = [line] { return line->text(); };
  set_ = [line](const QString& text) { line->setText(text); };
  connect(line, &QLineEdit::textChanged, this, &FieldEditor::edited);
}

void FieldEditor::make_lines(const FormField& field) {
  auto* edit = new QPlainTextEdit;
  editor_ = edit;
  edit->setTabChangesFocus(true);
  const int margin = 2 * static_cast<int>(edit->document()->documentMargin());
  follow_font(*edit,
              [edit, margin] { edit->setFixedHeight(edit->fontMetrics().lineSpacing() * lines_shown + margin + 4); });
  if (field.kind == FieldKind::lines) edit->setPlaceholderText(tr("one a line"));
  get_ = [edit] { return edit->toPlainText(); };
  set_ = [edit](const QString& text) { edit->setPlainText(text); };
  set_placeholder_ = [edit](const QString& text) { edit->setPlaceholderText(text); };
  connect(edit, &QPlainTextEdit::textChanged, this, &FieldEditor::edited);
}

void FieldEditor::add_unit(QBoxLayout& row, const FormField& field) {
  if (field.unit.empty()) return;
  auto* unit = new QLabel(as_qt(field.unit));
  unit->setForegroundRole(QPalette::PlaceholderText);
  row.addWidget(unit);
}

void FieldEditor::add_file_button(QBoxLayout& row, const FormField& field) {
  auto* button = new QToolButton;
  button->setText(QStringLiteral("…"));
  const QString name = field.saves_file ? tr("Choose where to write") : tr("Choose a file");
  button->setToolTip(name);
  button->setAccessibleName(tr("%1: %2").arg(as_qt(field.label), name));
  button->setFocusPolicy(Qt::StrongFocus);
  row.addWidget(button);
  const QString kinds = field.file_kinds.empty() ? QString() : tr("Files (%1)").arg(as_qt(field.file_kinds));
  connect(button, &QToolButton::clicked, this, [this, name, kinds, saves = field.saves_file] {
    // Does not ask before replacing a file, since that is a field of its own.
    const QString path =
        saves ? QFileDialog::getSaveFileName(this, name, text(), kinds, nullptr, QFileDialog::DontConfirmOverwrite)
              : QFileDialog::getOpenFileName(this, name, text());
    if (!path.isEmpty()) set_text(path);
  });
}

void FieldEditor::add_take_button(QBoxLayout& row) {
  take_ = new QToolButton;
  take_->setText(QStringLiteral("⤓"));
  take_->setToolTip(tr("Take the prompt of the prompt bar"));
  take_->setAccessibleName(take_->toolTip());
  take_->setFocusPolicy(Qt::StrongFocus);
  take_->setEnabled(false);
  row.addWidget(take_, 0, Qt::AlignTop);
  connect(take_, &QToolButton::clicked, this, &FieldEditor::offer_taken);
}

void FieldEditor::offer(const QString& text) {
  if (!take_) return;
  take_->setEnabled(!text.isEmpty());
  set_placeholder_(text.isEmpty() ? QString() : tr("⤓ takes: %1").arg(text));
}

void FieldEditor::show_problem(const QString& problem) {
  problem_->setText(problem);
  problem_->setVisible(!problem.isEmpty());
  editor_->setAccessibleDescription(problem.isEmpty() ? help_ : problem);
}

QString FieldEditor::problem() const { return problem_->text(); }

} // namespace headscope::gui
