// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/mechanism.h"

#include "core/mechanisms/mechanism_files.h" // made of the files of core/mechanisms/mechanisms

namespace headscope::mechanisms {

std::span<const MechanismDefinition* const> all_mechanisms() { return files; }

const MechanismDefinition* find_mechanism(const std::string& id) {
  for (const MechanismDefinition* each : files)
    if (id == each->info.id) return each;
  return nullptr;
}

} // namespace headscope::mechanisms
