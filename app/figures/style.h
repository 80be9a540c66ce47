// SPDX-License-Identifier: GPL-3.0-or-later
// Fonts, inks and text measures of every figure. Internal: needs Qt.
#pragma once

#include <string>
#include <vector>

#include <QColor>
#include <QFont>
#include <QString>

#include "app/figures/figure.h"
#include "core/base/result.h"

namespace headscope::figures {

enum class FontRole { title, subtitle, panel_title, axis, tick, cell };
enum class Ink { text, muted, accent };

struct Palette {
  QColor page, text, muted, accent, axis, grid, nan_fill, nan_line;
  std::vector<QColor> series; // distinct under every common colour blindness (after Okabe and Ito)

  QColor ink(Ink which) const;
};
const Palette& palette(bool dark);

// While an object exists, all texts of this thread are measured and drawn in the options' family and size.
class Typeface {
public:
  explicit Typeface(const RenderOptions& options);
  ~Typeface();
  Typeface(const Typeface&) = delete;
  Typeface& operator=(const Typeface&) = delete;
};
// The factor by which texts are larger than usual.
double text_scale();

// A font without hinting, so that a text has the same width in every format and at every scale.
QFont font(FontRole role);
// Returns internal when no FigureRuntime exists, not_found when the machine has no font, or none of this family (where
// it is not empty).
Status check_fonts(const std::string& family);

double text_width(FontRole role, const std::string& text);
double line_height(FontRole role);
double ascent(FontRole role);

// Makes UTF-8 that is valid in XML: bad bytes become U+FFFD, control characters other than newline their pictures.
std::string clean_text(const std::string& bytes);

// Replaces characters that no font of the machine has with their names, e.g. U+4E2D, where Qt would draw boxes.
std::string drawable_text(const std::string& text);

// Makes one line, elided where it is wider than `width`.
std::string shortened(FontRole role, const std::string& text, double width);

// Breaks the text into lines no wider than `width`, between words where possible; what does not fit into max_lines is
// elided. No lines for an empty text.
std::vector<std::string> wrap(FontRole role, const std::string& text, double width, int max_lines);

} // namespace headscope::figures
