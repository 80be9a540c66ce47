// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/detectors/detector_options.h"

#include <algorithm>
#include <limits>

#include <QCheckBox>
#include <QComboBox>
#include <QDoubleSpinBox>
#include <QLabel>
#include <QLineEdit>
#include <QSpinBox>
#include <QVBoxLayout>

namespace headscope::gui {
namespace {

std::string number_text(double value) { return QString::number(value, 'g', 10).toStdString(); }

int as_int(double value) {
  constexpr double most = std::numeric_limits<int>::max();
  return static_cast<int>(std::clamp(value, -most, most));
}

} // namespace

DetectorOptions::DetectorOptions(const DetectorInfo& info, QWidget* parent) : QWidget(parent) {
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 4, 0);
  for (const OptionSpec& spec : info.options) {
    QWidget* field = make_field(spec);
    // The name alone, such as "n", says nothing to somebody who does not know the command line.
    const QString name = QString::fromStdString(spec.name), help = QString::fromStdString(spec.help);
    field->setToolTip(tr("%1: option \"%2\" on the command line").arg(help, name));
    field->setAccessibleName(name);
    field->setAccessibleDescription(help);
    auto* label = new QLabel(help.left(1).toUpper() + help.mid(1));
    label->setWordWrap(true);
    label->setBuddy(field);
    column->addWidget(label);
    column->addWidget(field);
  }
  column->addStretch(1);
}

QWidget* DetectorOptions::make_field(const OptionSpec& spec) {
  if (const bool* flag = std::get_if<bool>(&spec.standard)) {
    auto* box = new QCheckBox;
    const bool standard = *flag;
    const auto text = [box] { return std::string(box->isChecked() ? "true" : "false"); };
    const auto reset = [box, standard] { box->setChecked(standard); };
    reset();
    fields_.push_back({spec.name, text(), text, reset});
    return box;
  }
  if (const auto* whole = std::get_if<std::int64_t>(&spec.standard)) {
    auto* box = new QSpinBox;
    box->setRange(as_int(spec.least), std::numeric_limits<int>::max());
    const int standard = static_cast<int>(*whole);
    const auto text = [box] { return std::to_string(box->value()); };
    const auto reset = [box, standard] { box->setValue(standard); };
    reset();
    fields_.push_back({spec.name, text(), text, reset});
    return box;
  }
  if (const auto* number = std::get_if<double>(&spec.standard)) {
    auto* box = new QDoubleSpinBox;
    box->setDecimals(3);
    box->setSingleStep(0.05);
    box->setRange(std::max(spec.least, -1e6), 1e6);
    const double standard = *number;
    const auto text = [box] { return number_text(box->value()); };
    const auto reset = [box, standard] { box->setValue(standard); };
    reset();
    fields_.push_back({spec.name, text(), text, reset});
    return box;
  }
  const QString standard = QString::fromStdString(std::get<std::string>(spec.standard));
  if (!spec.allowed.empty()) {
    auto* box = new QComboBox;
    for (const std::string& choice : spec.allowed)
      box->addItem(QString::fromStdString(choice));
    const auto text = [box] { return box->currentText().toStdString(); };
    const auto reset = [box, standard] { box->setCurrentText(standard); };
    reset();
    fields_.push_back({spec.name, text(), text, reset});
    return box;
  }
  auto* box = new QLineEdit;
  const auto text = [box] { return box->text().toStdString(); };
  const auto reset = [box, standard] { box->setText(standard); };
  reset();
  fields_.push_back({spec.name, text(), text, reset});
  return box;
}

std::map<std::string, std::string> DetectorOptions::changed() const {
  std::map<std::string, std::string> options;
  for (const Field& field : fields_)
    if (const std::string text = field.text(); text != field.standard) options[field.name] = text;
  return options;
}

void DetectorOptions::reset() {
  for (const Field& field : fields_)
    field.reset();
}

} // namespace headscope::gui
