// SPDX-License-Identifier: GPL-3.0-or-later
// Writes command lines for a shell.
#pragma once

#include <string>

#include "app/methods/base/option.h"

namespace headscope::gui {

// The values of --model, --dtype, --device and --attention.
struct CommandModel {
  std::string model; // empty: none is open
  std::string dtype = "float32", device = "cpu";
  std::string attention = {}; // the plan; empty: full attention
};

// Writes one word for a shell, quoted where needed.
std::string shell_word(const std::string& text);

// Writes " --mean-by-position", " --answer ' Mary'" or " --stop a --stop b"; for a positional option its word.
std::string flag_text(const methods::Option& option);

// Writes " --model smollm2 --device cuda", omitting defaults.
std::string model_flags(const CommandModel& model);

} // namespace headscope::gui
