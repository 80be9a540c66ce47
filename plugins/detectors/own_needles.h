// SPDX-License-Identifier: GPL-3.0-or-later
// The needles that a detector asks about: Headscope's or the user's.
#pragma once

#include <string>
#include <vector>

#include "core/prompts/haystack.h"
#include "plugins/sdk/options.h"

namespace headscope {

struct ChosenNeedles {
  std::vector<Needle> needles;
  store::Attributes findings; // of a file its SHA-256
};

OptionSpec needle_file_option();

// Chooses needles by the options `needles` and `needle_file` of the detector `id`. Without `needles`, takes all of a
// file.
Result<ChosenNeedles> chosen_needles(const OptionSet& options, const std::string& id);

} // namespace headscope
