// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/plugins_dialog.h"

#include <QDialogButtonBox>
#include <QHeaderView>
#include <QLabel>
#include <QVBoxLayout>

namespace headscope::gui {

PluginsDialog::PluginsDialog(std::vector<plugin::PluginEntry> plugins, QWidget* parent)
    : QDialog(parent), table_(new QTableView) {
  setWindowTitle(tr("Plugins"));
  model_.set_plugins(std::move(plugins));
  table_->setModel(&model_);
  table_->setAccessibleName(tr("Plugins"));
  table_->setWordWrap(true);
  table_->setSelectionBehavior(QAbstractItemView::SelectRows);
  table_->verticalHeader()->hide();
  table_->horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
  table_->horizontalHeader()->setSectionResizeMode(PluginListModel::about_column, QHeaderView::Stretch);
  auto* where = new QLabel(tr("Plugins are read at the start, from the folder beside the program, from those in "
                              "HEADSCOPE_PLUGINS and from ~/.local/share/headscope/plugins."));
  where->setWordWrap(true);
  auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close);
  connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
  auto* layout = new QVBoxLayout(this);
  layout->addWidget(table_);
  layout->addWidget(where);
  layout->addWidget(buttons);
  resize(760, 360);
  table_->resizeRowsToContents();
}

} // namespace headscope::gui
