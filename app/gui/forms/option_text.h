// SPDX-License-Identifier: GPL-3.0-or-later
// Converts an option's value to the text of a field, and back. Lists that a command line writes as one word (1,2,5) are
// one line with commas, others have one element per line.
#pragma once

#include <string>
#include <vector>

#include "app/methods/base/option.h"

namespace headscope::gui {

// Whether the option's value is one line separated by commas.
bool parted_by_commas(const methods::Option& option);

// The shortest text that reads back as this very number.
std::string number_text(double value);

std::string option_text(const methods::Option& option);
// The words of a list on a command line, one per flag; for other options the text itself.
std::vector<std::string> option_words(const methods::Option& option);

// Returns invalid_argument, at the flag, for a text that is not a value of the option's type; option.check() checks
// bounds.
Status set_option(const methods::Option& option, const std::string& text);

} // namespace headscope::gui
