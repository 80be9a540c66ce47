// SPDX-License-Identifier: GPL-3.0-or-later
// Ways to write a mechanism with its options and where it applies: "hip:k=512,window=128", "hip:k=512@layers=4-29",
// "window@heads=18.6,17.3". Several, each for its heads, are joined by ';'.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/mechanisms/mechanism.h"
#include "core/vocabulary/head_id.h"

namespace headscope::mechanisms {

struct MechanismSpec {
  std::string text; // as given
  const MechanismDefinition* definition = nullptr;
  std::shared_ptr<const Mechanism> mechanism;
  std::vector<std::string> files; // that its options name
  std::string where;              // the heads as parse_heads() reads them; "all" where the spec names none
};

// Whether the text begins with the name of a mechanism, so that it is no plugin's.
bool names_mechanism(const std::string& text);

// Reads the specs of a plan. Errors name the option, "layers" or "heads" as their field.
Result<std::vector<MechanismSpec>> parse_specs(const std::string& text);

// The files that the options of a plan name, e.g. of masks; empty for what cannot be read.
std::vector<std::string> files_of(const std::string& plan);

} // namespace headscope::mechanisms
