// SPDX-License-Identifier: GPL-3.0-or-later
// Whether a score may be shown as one of the open model.
#pragma once

#include <optional>

#include <QString>

#include "app/gui/engine/values.h"
#include "app/gui/workspace/score_board.h"

namespace headscope::gui {

// Why it is not of this model: another SHA-256, or another number of layers or heads. Empty: it is, or none is open.
QString why_not_of(const std::optional<ModelInfo>& model, const HeadScores& scores);

} // namespace headscope::gui
