// SPDX-License-Identifier: GPL-3.0-or-later
// Command lines as a shell reads them.
#pragma once

#include <string>

#include "app/methods/base/option.h"

namespace headscope::gui {

// The model as --model, --dtype and --device say it.
struct CommandModel {
  std::string model; // empty: none is open
  std::string dtype = "float32", device = "cpu";
};

// As one word of a shell: quoted where it must be.
std::string shell_word(const std::string& text);

// " --mean-by-position", " --answer ' Mary'", " --stop a --stop b"; of a positional option its word.
std::string flag_text(const methods::Option& option);

// " --model smollm2 --device cuda"; what is the default is left out.
std::string model_flags(const CommandModel& model);

} // namespace headscope::gui
