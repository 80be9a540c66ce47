// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/mechanism_list.h"

#include "core/base/or_list.h"
#include "core/mechanisms/mechanism_files.h" // made of the files of core/mechanisms/mechanisms

namespace headscope::mechanisms {

MechanismList MechanismList::built_in() {
  MechanismList list;
  for (const MechanismDefinition* each : files)
    list.all_.emplace_back(std::shared_ptr<void>(), each); // lives as long as the program
  return list;
}

Status MechanismList::add(SharedDefinition definition) {
  const MechanismInfo& info = definition->info;
  if (const SharedDefinition taken = find(info.id)) {
    const std::string by =
        taken->module.empty() ? "Headscope's own mechanism" : "the mechanism of " + taken->module + ",";
    return make_error(ErrorCode::already_exists,
                      std::string("its mechanism '") + info.id + "' (" + info.title + ") has the name of " + by + " '" +
                          taken->info.id + "' (" + taken->info.title + "); give it another id",
                      definition->module);
  }
  all_.push_back(std::move(definition));
  return {};
}

SharedDefinition MechanismList::find(const std::string& id) const {
  for (const SharedDefinition& each : all_)
    if (id == each->info.id) return each;
  return nullptr;
}

std::string MechanismList::why_missing(const std::string& id) const {
  if (const auto refused = refused_.find(id); refused != refused_.end())
    return "the plugin '" + id + "' was refused: " + refused->second;
  std::vector<std::string> ids;
  for (const SharedDefinition& each : all_)
    ids.emplace_back(each->info.id);
  return "'" + id + "' is no mechanism; there are " + or_list(ids);
}

const MechanismDefinition& full_attention() { return full; }

} // namespace headscope::mechanisms
