// SPDX-License-Identifier: GPL-3.0-or-later
// The list of all keys, made from the actions, the keys of the window and what widgets say of their own.
#pragma once

#include <functional>
#include <vector>

#include <QString>

class QWidget;

namespace headscope::gui {

// A key without Ctrl, which belongs to the window while no text field has the keyboard.
struct WindowKey {
  std::vector<int> keys; // of Qt::Key; one of them
  QString name;          // "A"
  QString what;          // what it does
  std::function<void(int key)> run;
};

// Markdown: a table of the keys that work everywhere, then those of each part of the window.
QString shortcut_list(const QWidget& window, const std::vector<WindowKey>& window_keys);
// The keys of the widgets in `part`, a line each; empty: it has none.
QString keys_in(const QWidget& part);

} // namespace headscope::gui
