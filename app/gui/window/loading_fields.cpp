// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/loading_fields.h"

#include <QHBoxLayout>
#include <QLabel>

#include "app/gui/engine/machine.h"

namespace headscope::gui {

LoadingFields::LoadingFields(QWidget* parent) : QWidget(parent), device_(new QComboBox), dtype_(new QComboBox) {
  for (const std::string& name : device_names())
    device_->addItem(QString::fromStdString(name));
  for (const NamedChoice& choice : dtype_choices()) {
    dtype_->addItem(QString::fromStdString(choice.name));
    dtype_->setItemData(dtype_->count() - 1, QString::fromStdString(choice.what), Qt::ToolTipRole);
  }
  device_->setAccessibleName(tr("Device"));
  device_->setToolTip(device_->count() > 1 ? tr("Where the model computes") : tr("No GPU was found on this machine"));
  dtype_->setAccessibleName(tr("Number type"));
  dtype_->setToolTip(tr("The type of the numbers that the model computes in; parity is measured in float32"));
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(0, 0, 0, 0);
  const std::pair<QString, QComboBox*> fields[] = {{tr("&Device"), device_}, {tr("&Number type"), dtype_}};
  for (const auto& [name, field] : fields) {
    auto* label = new QLabel(name);
    label->setBuddy(field);
    row->addWidget(label);
    row->addWidget(field);
    connect(field, &QComboBox::activated, this, &LoadingFields::changed);
  }
  row->addStretch(1);
}

void LoadingFields::set(const QString& dtype, const QString& device) {
  for (const auto& [field, text] : {std::pair(dtype_, dtype), std::pair(device_, device)})
    if (const int at = field->findText(text); at >= 0) field->setCurrentIndex(at);
}

} // namespace headscope::gui
