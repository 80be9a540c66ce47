// SPDX-License-Identifier: GPL-3.0-or-later
// Ways to write a mechanism with its options and where it applies: "hip:k=512,window=128", "hip:k=512@layers=4-29",
// "window@heads=18.6,17.3". Several, each for its heads, are joined by ';'.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/mechanisms/mechanism_list.h"
#include "core/vocabulary/head_id.h"

namespace headscope::mechanisms {

struct MechanismSpec {
  std::string text; // as given
  SharedDefinition definition;
  std::shared_ptr<const Mechanism> mechanism;
  std::vector<std::string> files; // that its options name
  std::string where;              // the heads as parse_heads() reads them; "all" where the spec names none
};

// Several specs as one text, as a plan has them.
std::string joined_specs(const std::vector<std::string>& specs);

// The ids of the mechanisms that a plan names, known or not.
std::vector<std::string> ids_of(const std::string& plan);

// Reads the specs of a plan. Errors name the option, "layers" or "heads" as their field, and the file that an option
// names where the fault is in it.
Result<std::vector<MechanismSpec>> parse_specs(const std::string& text, const MechanismList& list);

// What results under a plan depend on beside its text.
struct PlanFiles {
  std::vector<std::string> options; // files that options name, e.g. of masks
  std::vector<std::string> modules; // of plugins, each once
};
// Empty for a plan that cannot be read.
PlanFiles files_of(const std::string& plan, const MechanismList& list);

} // namespace headscope::mechanisms
