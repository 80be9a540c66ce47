// SPDX-License-Identifier: GPL-3.0-or-later
// The dialog Help → Plugins: what was found in the plugin folders.
#pragma once

#include <vector>

#include <QDialog>
#include <QTableView>

#include "app/gui/models/plugin_list_model.h"

namespace headscope::gui {

class PluginsDialog : public QDialog {
  Q_OBJECT
public:
  explicit PluginsDialog(std::vector<plugin::PluginEntry> plugins, QWidget* parent = nullptr);

  const QTableView& table() const { return *table_; }

private:
  PluginListModel model_;
  QTableView* table_;
};

} // namespace headscope::gui
