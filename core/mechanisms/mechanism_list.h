// SPDX-License-Identifier: GPL-3.0-or-later
// The mechanisms that a spec may name: Headscope's own, and those that plugins add. A value, handed to whoever reads
// specs.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/mechanisms/mechanism.h"

namespace headscope::mechanisms {

using SharedDefinition = std::shared_ptr<const MechanismDefinition>;

class MechanismList {
public:
  // Headscope's own, `full` first, then by name.
  static MechanismList built_in();

  // Adds a plugin's. Returns already_exists, which names both, where the id is taken.
  Status add(SharedDefinition definition);
  // Remembers why a plugin of this id adds nothing, for whoever asks for it.
  void refuse(const std::string& id, const std::string& why) { refused_.emplace(id, why); }

  const std::vector<SharedDefinition>& all() const { return all_; }
  // Finds one by its id, or null.
  SharedDefinition find(const std::string& id) const;
  // Says that there is none of this id, why, and which there are.
  std::string why_missing(const std::string& id) const;

private:
  std::vector<SharedDefinition> all_;
  std::map<std::string, std::string> refused_;
};

// What all others are compared with.
const MechanismDefinition& full_attention();

} // namespace headscope::mechanisms
