// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/menus/head_menu.h"

#include <QClipboard>
#include <QCoreApplication>
#include <QGuiApplication>

namespace headscope::gui {
namespace {

QString tr(const char* text) { return QCoreApplication::translate("head_menu", text); }

} // namespace

void add_head_actions(QMenu& menu, Workspace& workspace, HeadId head) {
  const QString name = QString::fromStdString(head_name(head));
  const bool model = workspace.model().has_value();
  menu.addSection(tr("Head %1").arg(name));
  const bool ablated = workspace.ablation().find(head) != nullptr;
  menu.addAction(ablated ? tr("Put back") : tr("Ablate"), &workspace,
                 [&workspace, head] { workspace.ablation().toggle(head); })
      ->setEnabled(model);
  menu.addAction(tr("Show its attention"), &workspace, [&workspace, head] {
    workspace.selection().set_head(head);
    Q_EMIT workspace.view_wanted(QStringLiteral("attention"));
  });
  menu.addAction(tr("Patch z of every head"), &workspace,
                 [&workspace, head] {
                   workspace.want_patch({"z", PatchAxes::layer_head, head.layer, static_cast<int>(head.head)});
                 })
      ->setEnabled(model);
  menu.addAction(tr("Change how it attends"), &workspace,
                 [&workspace, head] {
                   workspace.selection().set_head(head);
                   Q_EMIT workspace.view_wanted(QStringLiteral("lab"));
                 })
      ->setEnabled(model);
  menu.addAction(tr("Copy the name"), &workspace, [name] { QGuiApplication::clipboard()->setText(name); });
}

void show_menu(QMenu* menu, const QPoint& place) {
  menu->setAttribute(Qt::WA_DeleteOnClose);
  menu->setToolTipsVisible(true);
  menu->popup(place);
}

} // namespace headscope::gui
