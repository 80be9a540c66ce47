// SPDX-License-Identifier: GPL-3.0-or-later
// Every plugin, whether it is loaded, and why not.
#pragma once

#include <vector>

#include <QAbstractTableModel>

#include "plugins/host/plugin_entry.h"

namespace headscope::gui {

class PluginListModel : public QAbstractTableModel {
  Q_OBJECT
public:
  enum Column { id_column, kind_column, state_column, about_column, column_count };

  using QAbstractTableModel::QAbstractTableModel;

  void set_plugins(std::vector<plugin::PluginEntry> plugins);

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
  std::vector<plugin::PluginEntry> plugins_;
};

} // namespace headscope::gui
