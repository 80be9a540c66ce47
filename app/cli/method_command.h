// SPDX-License-Identifier: GPL-3.0-or-later
// Makes commands of methods: flags, help and checks come from a method's list of options.
#pragma once

#include <memory>

#include "app/cli/command.h"
#include "app/methods/base/method.h"

namespace headscope::cli {

// Adds one command for every method; ids of two words become subcommands ("circuit benchmark").
void add_methods(CLI::App& app, Commands& commands);

// Adds the flags of a list. When the line is parsed, `wrong` gets the error for the first value that is not among an
// option's choices.
void add_options(CLI::App& command, const methods::OptionList& list, const std::shared_ptr<Status>& wrong);

} // namespace headscope::cli
