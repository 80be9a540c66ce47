// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/methods/form_panel.h"

#include <QFormLayout>
#include <QLabel>
#include <QScrollArea>

#include "app/gui/views/methods/field_editor.h"

namespace headscope::gui {
namespace {

QString title_of(FieldPart part) {
  switch (part) {
  case FieldPart::input: return FormPanel::tr("What it is asked about");
  case FieldPart::option: return FormPanel::tr("Options");
  case FieldPart::output: break;
  }
  return FormPanel::tr("Result file");
}

// Makes the label of a field, which says when it must be filled.
QString label_of(const FormField& field) {
  return QString::fromStdString(field.label) + (field.required ? QStringLiteral(" *") : QString());
}

} // namespace

FormPanel::FormPanel(MethodForm& form, QWidget* parent) : QWidget(parent), form_(form) {
  auto* rows = new QFormLayout(this);
  rows->setContentsMargins(0, 0, 4, 0);
  rows->setRowWrapPolicy(QFormLayout::WrapLongRows);
  rows->setFieldGrowthPolicy(QFormLayout::AllNonFixedFieldsGrow);
  std::optional<FieldPart> part;
  for (const FormField& field : form_.fields()) {
    if (part != field.part) add_title(*rows, field.part);
    part = field.part;
    add_field(*rows, field);
  }
}

void FormPanel::add_title(QFormLayout& rows, FieldPart part) {
  auto* title = new QLabel(title_of(part));
  QFont bold = title->font();
  bold.setBold(true);
  title->setFont(bold);
  rows.addRow(title);
}

void FormPanel::add_field(QFormLayout& rows, const FormField& field) {
  auto* editor = new FieldEditor(field);
  editors_[field.name] = editor;
  auto* label = new QLabel(label_of(field));
  label->setBuddy(&editor->editor());
  label->setToolTip(QString::fromStdString(field.tip));
  rows.addRow(label, editor);
  connect(editor, &FieldEditor::edited, this, [this, name = field.name] { take_edit(name); });
  connect(editor, &FieldEditor::offer_taken, this, [this, name = field.name] { take_prompt(name); });
}

void FormPanel::take_edit(const std::string& name) {
  form_.set_text(name, editors_.at(name)->text().toStdString());
  for (const auto& [each, editor] : editors_) // one field may be wrong because of another
    if (each == name || !editor->problem().isEmpty()) editor->show_problem(QString::fromStdString(form_.problem(each)));
  Q_EMIT edited();
}

void FormPanel::offer_prompt(const PromptRequest& prompt) {
  prompt_ = prompt;
  for (const auto& [name, editor] : editors_)
    editor->offer(QString::fromStdString(prompt.text));
}

void FormPanel::take_prompt(const std::string& name) {
  for (const std::string& filled :
       form_.fill_prompt(name, prompt_.text, prompt_.chat, !prompt_.chat && !prompt_.add_special))
    editors_.at(filled)->set_text(QString::fromStdString(form_.text(filled)));
  go_to(name);
}

void FormPanel::go_to(const std::string& name) {
  FieldEditor* editor = editors_.at(name);
  editor->editor().setFocus(Qt::OtherFocusReason);
  for (QWidget* above = parentWidget(); above; above = above->parentWidget())
    if (auto* scroll = qobject_cast<QScrollArea*>(above)) return scroll->ensureWidgetVisible(editor);
}

bool FormPanel::check() {
  const auto problems = form_.problems();
  for (const auto& [name, editor] : editors_)
    editor->show_problem({});
  for (const auto& [name, problem] : problems)
    editors_.at(name)->show_problem(QString::fromStdString(problem));
  if (!problems.empty()) go_to(problems.front().first);
  return problems.empty();
}

bool FormPanel::show_error(const Error& error, bool go_there) {
  const FormField* field = form_.field_of(error);
  if (!field) return false;
  editors_.at(field->name)->show_problem(QString::fromStdString(error.message));
  if (go_there) go_to(field->name);
  return true;
}

void FormPanel::set_tab_order(QWidget& before) {
  QWidget* last = &before;
  for (QWidget* each : findChildren<QWidget*>()) {
    if ((each->focusPolicy() & Qt::TabFocus) == 0) continue;
    setTabOrder(last, each);
    last = each;
  }
}

void FormPanel::reset() {
  form_.reset();
  for (const FormField& field : form_.fields()) {
    editors_.at(field.name)->set_text(QString::fromStdString(field.standard));
    editors_.at(field.name)->show_problem({});
  }
  Q_EMIT edited();
}

} // namespace headscope::gui
