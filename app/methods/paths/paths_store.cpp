// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/paths/paths_store.h"

#include <span>

namespace headscope::methods {

Status store_paths(store::ResultWriter& writer, const std::string& folder, const PathLabels& labels,
                   const PathEffects& found, const ComputationalGraph& graph) {
  std::vector<std::string> senders;
  for (const int sender : found.senders)
    senders.push_back(graph.sender_name(sender));
  store::ArraySpec spec;
  spec.axes = {{"sender", senders}, {"pair", {}}};
  spec.shape = {static_cast<std::int64_t>(senders.size()), static_cast<std::int64_t>(found.clean.size())};
  spec.units = labels.units;
  spec.long_name = "change of the metric when the paths from the sender to the receivers are patched";
  spec.attributes = {{"metric", labels.metric}, {"receivers", labels.receivers}, {"through_mlps", labels.through_mlps}};
  HS_TRY(writer.add_array(folder + "/effects", spec, std::span(found.effects)));
  spec.axes = {{"pair", {}}};
  spec.shape = {static_cast<std::int64_t>(found.clean.size())};
  spec.long_name = "the metric of the clean run";
  spec.attributes = {};
  return writer.add_array(folder + "/clean", spec, std::span(found.clean));
}

} // namespace headscope::methods
