// SPDX-License-Identifier: GPL-3.0-or-later
// Context menus: opened as the Menu key opens them, read and used.
#pragma once

#include <QContextMenuEvent>
#include <QMenu>
#include <QPointer>
#include <QtTest>

#include "tests/gui/patience.h"

namespace headscope::gui::test {

// The menu that the widget shows for the Menu key (or for a right click at a place of it); null: none.
inline QPointer<QMenu> menu_of(QWidget& widget, std::optional<QPoint> at = std::nullopt) {
  const QPoint place = at.value_or(widget.rect().center());
  QContextMenuEvent event(at ? QContextMenuEvent::Mouse : QContextMenuEvent::Keyboard, place,
                          widget.mapToGlobal(place));
  // The mouse is over the viewport of a scroll area; the keyboard is the area's.
  auto* area = qobject_cast<QAbstractScrollArea*>(widget.parentWidget());
  QCoreApplication::sendEvent(!at && area ? area : &widget, &event);
  return qobject_cast<QMenu*>(QApplication::activePopupWidget());
}

inline QAction* action_in(const QMenu& menu, const QString& text) {
  for (QAction* action : menu.actions())
    if (QString(action->text()).remove(u'&').startsWith(text)) return action;
  return nullptr;
}

// Opens the menu, triggers what begins with `text` and closes it. False: it is not there, or cannot be used.
inline bool use_menu(QWidget& widget, const QString& text, std::optional<QPoint> at = std::nullopt) {
  const QPointer<QMenu> menu = menu_of(widget, at);
  QAction* action = menu ? action_in(*menu, text) : nullptr;
  const bool can = action && action->isEnabled();
  if (can) action->trigger();
  if (menu) menu->close();
  return can;
}

} // namespace headscope::gui::test
