// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/models/plugin_list_model.h"

namespace headscope::gui {
namespace {

QString joined(const std::vector<std::string>& ids) {
  QStringList list;
  for (const std::string& id : ids)
    list.append(QString::fromStdString(id));
  return list.join(QStringLiteral(", "));
}

} // namespace

void PluginListModel::set_plugins(std::vector<plugin::PluginEntry> plugins) {
  beginResetModel();
  plugins_ = std::move(plugins);
  endResetModel();
}

int PluginListModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(plugins_.size());
}

int PluginListModel::columnCount(const QModelIndex& parent) const { return parent.isValid() ? 0 : int{column_count}; }

QVariant PluginListModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const plugin::PluginEntry& entry = plugins_[static_cast<std::size_t>(index.row())];
  const QString about = entry.loaded ? joined(entry.provides) : QString::fromStdString(entry.reason);
  if (role == Qt::ToolTipRole)
    return index.column() == about_column
               ? about
               : QString::fromStdString(entry.module.empty() ? entry.manifest : entry.module);
  if (role != Qt::DisplayRole) return {};
  switch (index.column()) {
  case id_column: return QString::fromStdString(entry.id);
  case kind_column: return QString::fromStdString(entry.kind);
  case state_column: return entry.loaded ? tr("loaded") : tr("refused");
  case about_column: return about;
  default: return {};
  }
}

QVariant PluginListModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (role != Qt::DisplayRole || orientation != Qt::Horizontal) return {};
  switch (section) {
  case id_column: return tr("Plugin");
  case kind_column: return tr("Kind");
  case state_column: return tr("State");
  case about_column: return tr("What it has, or why it was refused");
  default: return {};
  }
}

} // namespace headscope::gui
