// SPDX-License-Identifier: GPL-3.0-or-later
// Methods as commands: flags, help and checks come from a method's list of options.
#pragma once

#include <memory>

#include "app/cli/command.h"
#include "app/methods/base/method.h"

namespace headscope::cli {

// One command for every method; ids of two words become subcommands ("circuit benchmark").
void add_methods(CLI::App& app, Commands& commands);

// The flags of a list. `wrong` gets the first value that is none of an option's choices, when the line is parsed.
void add_options(CLI::App& command, const methods::OptionList& list, const std::shared_ptr<Status>& wrong);

} // namespace headscope::cli
