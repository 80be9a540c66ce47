// SPDX-License-Identifier: GPL-3.0-or-later
// Two fields that show and change the answers of the workspace.
#pragma once

class QLineEdit;

namespace headscope::gui {

class AnswerState;

void share_answers(AnswerState& answers, QLineEdit& answer, QLineEdit& wrong);

} // namespace headscope::gui
