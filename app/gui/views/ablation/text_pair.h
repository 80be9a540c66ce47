// SPDX-License-Identifier: GPL-3.0-or-later
// Compares two continuations: where they diverge.
#pragma once

#include <QColor>
#include <QString>

#include "app/gui/engine/generate_job.h"

namespace headscope::gui {

// The index of the first token that is not the same; the shorter one's length when it begins the other.
std::size_t first_difference(const Continuation& a, const Continuation& b);

// The continuation as rich text, marked from the first difference on.
QString marked_text(const Continuation& text, std::size_t differs_from, const QColor& color);

} // namespace headscope::gui
