// SPDX-License-Identifier: GPL-3.0-or-later
// Where in the forward pass senders and receivers are.
#pragma once

#include <optional>

#include "core/circuits/graph.h"
#include "core/engine/hook.h"

namespace headscope {

struct NodeSite {
  HookSite site;
  std::optional<std::int64_t> head; // index on the site's head axis
};

// The input of a receiver, before the norm.
NodeSite input_site(const ComputationalGraph& graph, int receiver);
// The site just after the sender's output is added: a change of its output is the same change here.
HookSite output_site(const ComputationalGraph& graph, int sender);

} // namespace headscope
