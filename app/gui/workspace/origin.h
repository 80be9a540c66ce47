// SPDX-License-Identifier: GPL-3.0-or-later
// What numbers on the screen were made of: the model, the prompt and the ablated heads. A view keeps it beside what it
// shows, so that nothing looks current that is of something else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <QString>

#include "app/gui/engine/ablation_input.h"
#include "app/gui/workspace/answer_state.h"

namespace headscope::gui {

struct Origin {
  std::string model_sha256, model_name;
  std::optional<std::vector<std::int64_t>> tokens; // unset: depends on no prompt
  QString prompt;                                  // the beginning of its text, for the user
  std::optional<AblationInput> plan;               // unset: of the model as it is, whatever is ablated
  std::optional<std::string> attention; // the plan it was computed under; unset: another than that in force, as it says
  std::optional<AnswerState::Pair> answers; // unset: measures no difference of answers
  friend bool operator==(const Origin&, const Origin&) = default;
};

// Which parts of what is in force a number depends on, beside the model.
struct DependsOn {
  bool prompt = true;
  bool plan = false;
  bool answers = false;
};

// Why something of origin `made` is not of what is in force; empty where it is.
QString why_outdated(const Origin& made, const Origin& in_force);
// What must be said of something that is current: that heads are ablated and it does not show it. Empty: nothing.
QString caveat(const Origin& made, const Origin& in_force);

} // namespace headscope::gui
