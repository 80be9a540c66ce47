// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/preferences_dialog.h"

#include <QComboBox>
#include <QDialogButtonBox>
#include <QFormLayout>
#include <QLabel>
#include <QSpinBox>

#include "app/gui/window/loading_fields.h"

namespace headscope::gui {

PreferencesDialog::PreferencesDialog(const Preferences& now, QWidget* parent) : QDialog(parent) {
  setWindowTitle(tr("Preferences"));
  auto* theme = new QComboBox;
  const std::pair<QString, Theme> themes[] = {
      {tr("As the system"), Theme::system}, {tr("Light"), Theme::light}, {tr("Dark"), Theme::dark}};
  for (const auto& [name, value] : themes)
    theme->addItem(name, static_cast<int>(value));
  theme->setCurrentIndex(theme->findData(static_cast<int>(now.theme)));
  auto* size = new QSpinBox;
  size->setRange(50, 300);
  size->setSingleStep(10);
  size->setSuffix(tr(" %"));
  size->setValue(qRound(now.font_scale * 100.0));
  size->setKeyboardTracking(false); // not with every digit
  auto* loading = new LoadingFields;
  loading->set(now.dtype, now.device);
  auto* folder = new QLabel(now.folder);
  folder->setTextInteractionFlags(Qt::TextSelectableByMouse);
  folder->setWordWrap(true);
  auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close);
  auto* form = new QFormLayout(this);
  form->addRow(tr("&Theme"), theme);
  form->addRow(tr("Size of the te&xt"), size);
  form->addRow(tr("Models are opened with"), loading);
  form->addRow(tr("Session and log"), folder);
  form->addRow(buttons);
  const auto tell = [this, theme, size, loading, folder] {
    Q_EMIT changed({static_cast<Theme>(theme->currentData().toInt()), size->value() / 100.0, loading->dtype(),
                    loading->device(), folder->text()});
  };
  connect(theme, &QComboBox::activated, this, tell);
  connect(size, &QSpinBox::valueChanged, this, tell);
  connect(loading, &LoadingFields::changed, this, tell);
  connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
}

} // namespace headscope::gui
