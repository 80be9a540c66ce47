// SPDX-License-Identifier: GPL-3.0-or-later
// Keys that a widget handles itself, said once: for screen readers and for the list in the help.
#pragma once

#include <QString>
#include <QVariant>
#include <QWidget>

namespace headscope::gui {

// `keys` is a sentence: "plus and minus zoom, 0 shows all".
inline void set_keys(QWidget& widget, const QString& keys) {
  widget.setAccessibleDescription(keys);
  widget.setProperty("keys", keys);
}

inline QString keys_of(const QWidget& widget) { return widget.property("keys").toString(); }

} // namespace headscope::gui
