// SPDX-License-Identifier: GPL-3.0-or-later
// The prompt of the prompt bar as the options that methods have for one, so that a command line comes to its tokens.
#pragma once

#include <map>
#include <optional>
#include <string>

#include <QString>

#include "app/gui/engine/model_job.h"
#include "app/gui/forms/command_text.h"
#include "app/gui/workspace/workspace.h"

namespace headscope::gui {

// `prompt`, `chat` and `no_bos`. What was generated or comes from a file is the text of its tokens, BOS among them.
std::map<std::string, std::string> prompt_values(const PromptState& prompt);

// The prompt on one line in quotation marks, shortened to about `most` characters.
QString prompt_title(const PromptState& prompt, int most);

// How a command line names the open model and its attention; without a model a placeholder stands in its place.
CommandModel command_model(const Workspace& workspace);

} // namespace headscope::gui
