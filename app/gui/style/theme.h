// SPDX-License-Identifier: GPL-3.0-or-later
// The common look of all views: light or dark, font size, and the colours of values.
#pragma once

#include <QColor>
#include <QString>

#include "app/figures/color_map.h"

class QWidget;

namespace headscope::gui {

enum class Theme { system, light, dark };

// Applies a theme to the whole application. `font_scale` 1 is the system's size.
void apply_theme(Theme theme, double font_scale);
bool is_dark();

// The colours of values from small to large, in maps and scores; those of both signs keep theirs.
void set_value_colors(figures::ColorMap map);
figures::ColorMap value_colors();

struct Inks {
  QColor page, text, muted, accent, warning, grid, nan;
};
const Inks& inks(); // of the theme in use

QColor value_color(const figures::ResolvedScale& scale, double value); // NaN: inks().nan
// Black or white, whichever is more readable on the background.
QColor text_on(const QColor& background);

// A token as a label: whitespace visible, short.
QString token_text(const std::string& bytes, std::size_t max_length = 14);

} // namespace headscope::gui
