// SPDX-License-Identifier: GPL-3.0-or-later
// The menu of a head, the same in every view that shows heads.
#pragma once

#include <QMenu>
#include <QPoint>

#include "app/gui/workspace/workspace.h"

namespace headscope::gui {

// Adds what can be done with a head: ablate it, show its attention, patch, copy its name.
void add_head_actions(QMenu& menu, Workspace& workspace, HeadId head);

// Shows a menu that nobody keeps.
void show_menu(QMenu* menu, const QPoint& place);

} // namespace headscope::gui
