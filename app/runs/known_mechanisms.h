// SPDX-License-Identifier: GPL-3.0-or-later
// The plugins of this process, and the mechanisms that specs may name with them.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/mechanisms/mechanism_list.h"
#include "core/store/result_types.h"
#include "plugins/host/plugin_host.h"

namespace headscope {

// Plugins are read once; those added later appear after the next start.
const plugin::PluginHost& loaded_plugins();

// The mechanisms that a plan may name. Plugins are read only where it names one that is not Headscope's own.
mechanisms::MechanismList mechanisms_for(const std::string& plan);

// SHA-256 of the files that results under a plan depend on: those that its options name, e.g. of masks, and the modules
// of its plugins. Empty for a plan that cannot be read.
struct PlanHashes {
  std::vector<std::string> options, modules;
};
Result<PlanHashes> hashes_of_plan(const std::string& plan);

// What a result file says of them: attention_files and attention_plugins, where there are any.
store::Attributes plan_attributes(const std::string& plan);

} // namespace headscope
