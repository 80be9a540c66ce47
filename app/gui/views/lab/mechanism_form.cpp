// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/lab/mechanism_form.h"

#include <QComboBox>
#include <QFormLayout>
#include <QLabel>
#include <QRegularExpression>
#include <QScrollArea>
#include <QVBoxLayout>

#include "app/gui/views/methods/field_editor.h"

namespace headscope::gui {
namespace {

QString qt(const std::string& text) { return QString::fromStdString(text); }

QString sentence_case(QString text) {
  if (!text.isEmpty()) text[0] = text[0].toUpper();
  return text;
}

FormField form_field(const MechanismField& option) {
  FormField field;
  field.name = option.name;
  field.label = option.name;
  field.help = field.tip = option.help;
  field.standard = option.standard;
  for (const std::string& choice : option.choices)
    field.choices.push_back({choice, {}});
  field.reads_file = option.is_file;
  field.kind = option.choices.empty() ? FieldKind::line : FieldKind::choice;
  return field;
}

// What a mechanism is, a line a fact.
QString about(const MechanismCard& card) {
  static const QRegularExpression quoted(QStringLiteral("`([^`]*)`")); // options within the text
  QStringList lines = {
      sentence_case(qt(card.what)).toHtmlEscaped().replace(quoted, QStringLiteral("<code>\\1</code>"))};
  const auto add = [&lines](const QString& name, const std::string& text) {
    if (!text.empty()) lines.append(QStringLiteral("<b>%1:</b> %2").arg(name, qt(text).toHtmlEscaped()));
  };
  add(MechanismForm::tr("Cost"), card.cost);
  add(MechanismForm::tr("Full attention at"), card.equals_full);
  add(MechanismForm::tr("Training"), card.training);
  if (!card.drop_in)
    add(MechanismForm::tr("An analysis"),
        MechanismForm::tr("it breaks a model that was not trained for it").toStdString());
  add(MechanismForm::tr("Reference"), card.reference);
  add(MechanismForm::tr("Plugin"), card.plugin);
  return lines.join(QStringLiteral("<br>"));
}

} // namespace

MechanismForm::MechanismForm(QWidget* parent)
    : QWidget(parent), choice_(new QComboBox), about_(new QLabel), scroll_(new QScrollArea) {
  choice_->setObjectName(QStringLiteral("mechanism"));
  choice_->setAccessibleName(tr("Mechanism"));
  choice_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  choice_->setMinimumContentsLength(12);
  add(list_mechanisms());
  about_->setWordWrap(true);
  about_->setTextFormat(Qt::RichText);
  about_->setTextInteractionFlags(Qt::TextSelectableByMouse);
  scroll_->setWidgetResizable(true);
  scroll_->setFrameShape(QFrame::NoFrame);
  scroll_->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->addWidget(choice_);
  column->addWidget(scroll_, 1);
  auto* inside = new QWidget;
  auto* rows = new QVBoxLayout(inside);
  rows->setContentsMargins(0, 0, 0, 0);
  rows->addWidget(about_);
  rows->addStretch(1);
  scroll_->setWidget(inside);
  connect(choice_, &QComboBox::currentIndexChanged, this, &MechanismForm::show_chosen);
  show_chosen();
}

void MechanismForm::add(const std::vector<MechanismCard>& cards) {
  for (const MechanismCard& each : cards) {
    cards_.push_back(each);
    choice_->addItem(tr("%1 (%2)").arg(sentence_case(qt(each.title)), qt(each.id)), qt(each.id));
    choice_->setItemData(choice_->count() - 1, qt(each.what), Qt::ToolTipRole);
  }
}

const MechanismCard& MechanismForm::card() const {
  return cards_[static_cast<std::size_t>(std::max(0, choice_->currentIndex()))];
}

void MechanismForm::choose(const QString& id) { choice_->setCurrentIndex(choice_->findData(id)); }

// Values of a mechanism that was chosen before are its defaults again.
void MechanismForm::show_chosen() {
  auto* rows = static_cast<QVBoxLayout*>(scroll_->widget()->layout());
  if (QLayoutItem* before = rows->count() > 2 ? rows->takeAt(0) : nullptr) {
    delete before->widget();
    delete before;
  }
  fields_.clear();
  about_->setText(about(card()));
  auto* box = new QWidget;
  auto* form = new QFormLayout(box);
  form->setContentsMargins(0, 0, 0, 0);
  for (const MechanismField& option : card().options) {
    auto* editor = new FieldEditor(form_field(option));
    editor->setObjectName(QStringLiteral("option-") + qt(option.name));
    editor->set_text(qt(option.standard));
    auto* label = new QLabel(qt(option.name));
    label->setBuddy(&editor->editor());
    label->setToolTip(qt(option.help));
    form->addRow(label, editor);
    connect(editor, &FieldEditor::edited, this, &MechanismForm::edited);
    fields_.emplace_back(option.name, editor);
  }
  rows->insertWidget(0, box);
  Q_EMIT edited();
}

FieldEditor* MechanismForm::field(const std::string& name) const {
  for (const auto& [each, editor] : fields_)
    if (each == name) return editor;
  return nullptr;
}

std::string MechanismForm::spec() const {
  std::string text = card().id;
  char between = ':';
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const std::string value = fields_[i].second->text().trimmed().toStdString();
    if (value.empty() || value == card().options[i].standard) continue;
    text += between;
    text.append(fields_[i].first).append("=").append(value);
    between = ',';
  }
  return text;
}

} // namespace headscope::gui
