// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/preferences_dialog.h"

#include <QComboBox>
#include <QDialogButtonBox>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLocale>
#include <QPushButton>
#include <QSpinBox>

#include "app/gui/window/loading_fields.h"

namespace headscope::gui {

namespace {

QLabel* place_label(const QString& text) {
  auto* label = new QLabel(text);
  label->setTextInteractionFlags(Qt::TextSelectableByMouse);
  label->setWordWrap(true);
  return label;
}

} // namespace

PreferencesDialog::PreferencesDialog(const Preferences& now, QWidget* parent)
    : QDialog(parent), cache_(new QLabel(tr("not known yet"))) {
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
  auto* colors = new QComboBox;
  colors->setObjectName(QStringLiteral("colors"));
  colors->setToolTip(tr("Of maps and scores, from small to large values; values of both signs stay blue and orange"));
  for (const auto map : {figures::ColorMap::viridis, figures::ColorMap::gray})
    colors->addItem(map == figures::ColorMap::viridis ? tr("Viridis") : tr("Greys, for paper"), static_cast<int>(map));
  colors->setCurrentIndex(colors->findData(static_cast<int>(now.colors)));
  auto* cache = new QSpinBox;
  cache->setObjectName(QStringLiteral("cache"));
  cache->setRange(64, 65536);
  cache->setSingleStep(256);
  cache->setSuffix(tr(" MiB"));
  cache->setValue(now.cache_mib);
  cache->setKeyboardTracking(false);
  cache->setToolTip(
      tr("The most memory that q and k of layers may take, which are kept so that maps of the same prompt "
         "need no new run"));
  auto* clear = new QPushButton(tr("Clear"));
  clear->setObjectName(QStringLiteral("clear-cache"));
  clear->setAutoDefault(false);
  auto* cache_row = new QHBoxLayout;
  cache_row->addWidget(cache);
  cache_row->addWidget(cache_, 1);
  cache_row->addWidget(clear);
  auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close);
  auto* form = new QFormLayout(this);
  form->addRow(tr("&Theme"), theme);
  form->addRow(tr("Size of the te&xt"), size);
  form->addRow(tr("Models are opened with"), loading);
  form->addRow(tr("&Colours of values"), colors);
  auto* cache_label = new QLabel(tr("&Memory for kept layers"));
  cache_label->setBuddy(cache);
  form->addRow(cache_label, cache_row);
  form->addRow(tr("Models are looked for in"), place_label(now.models));
  form->addRow(tr("Session and log"), place_label(now.folder));
  form->addRow(buttons);
  const auto tell = [this, now, theme, size, loading, colors, cache] {
    Q_EMIT changed({static_cast<Theme>(theme->currentData().toInt()), size->value() / 100.0, loading->dtype(),
                    loading->device(), static_cast<figures::ColorMap>(colors->currentData().toInt()), cache->value(),
                    now.folder, now.models});
  };
  connect(theme, &QComboBox::activated, this, tell);
  connect(size, &QSpinBox::valueChanged, this, tell);
  connect(loading, &LoadingFields::changed, this, tell);
  connect(colors, &QComboBox::activated, this, tell);
  connect(cache, &QSpinBox::valueChanged, this, tell);
  connect(clear, &QPushButton::clicked, this, &PreferencesDialog::clear_wanted);
  connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
}

void PreferencesDialog::show_cache(const CacheUse& use) {
  cache_->setText(tr("%1 in use; layers of attention: %2")
                      .arg(QLocale().formattedDataSize(static_cast<qint64>(use.bytes)))
                      .arg(use.layers));
}

} // namespace headscope::gui
