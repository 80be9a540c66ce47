// SPDX-License-Identifier: GPL-3.0-or-later
// Whether what stands in two rows in a narrow column of the window has room in one.
#pragma once

#include <QWidget>

namespace headscope::gui {

inline bool is_wide(const QWidget& widget) {
  constexpr int letters = 90;
  return widget.width() >= letters * widget.fontMetrics().averageCharWidth();
}

} // namespace headscope::gui
