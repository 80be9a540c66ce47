// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/runs/known_mechanisms.h"

#include <algorithm>

#include "core/base/sha256.h"
#include "core/mechanisms/spec.h"
#include "core/prompts/haystack.h"

namespace headscope {

const plugin::PluginHost& loaded_plugins() {
  static const plugin::PluginHost host = plugin::PluginHost::load();
  return host;
}

mechanisms::MechanismList mechanisms_for(const std::string& plan) {
  mechanisms::MechanismList own = mechanisms::MechanismList::built_in();
  const std::vector<std::string> ids = mechanisms::ids_of(plan);
  const bool known =
      std::all_of(ids.begin(), ids.end(), [&](const std::string& id) { return own.find(id) != nullptr; });
  return known ? own : loaded_plugins().mechanisms();
}

Result<PlanHashes> hashes_of_plan(const std::string& plan) {
  PlanHashes hashes;
  if (plan == "default") return hashes;
  const mechanisms::PlanFiles files = mechanisms::files_of(plan, mechanisms_for(plan));
  for (const std::string& file : files.options) {
    HS_ASSIGN(std::string hash, haystack_sha256(file));
    hashes.options.push_back(std::move(hash));
  }
  for (const std::string& module : files.modules) {
    HS_ASSIGN(std::string hash, sha256_file(module));
    hashes.modules.push_back(std::move(hash));
  }
  return hashes;
}

store::Attributes plan_attributes(const std::string& plan) {
  store::Attributes attributes;
  const auto hashes = hashes_of_plan(plan);
  if (hashes.ok() && !hashes->options.empty()) attributes.push_back({"attention_files", hashes->options});
  if (hashes.ok() && !hashes->modules.empty()) attributes.push_back({"attention_plugins", hashes->modules});
  return attributes;
}

} // namespace headscope
