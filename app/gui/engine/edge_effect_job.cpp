// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine/edge_effect_job.h"

#include <sstream>

#include "app/gui/engine/engine_state.h"
#include "core/circuits/path_patching.h"

namespace headscope::gui {

// Uses streams, since GCC 12 warns about adding such short strings.
std::string sender_name(const EdgeRef& edge) {
  std::ostringstream name;
  if (edge.sender == "head")
    name << edge.sender_layer << '.' << edge.sender_head;
  else if (edge.sender == "mlp")
    name << 'm' << edge.sender_layer;
  else
    name << edge.sender;
  return name.str();
}

std::string receiver_name(const EdgeRef& edge, bool shares_kv) {
  std::ostringstream name;
  const bool grouped = edge.receiver != "q" && shares_kv;
  if (edge.receiver == "mlp")
    name << 'm' << edge.receiver_layer;
  else if (edge.receiver == "logits")
    name << edge.receiver;
  else
    name << 'a' << edge.receiver_layer << (grouped ? ".kv" : ".h") << edge.receiver_head << '<' << edge.receiver << '>';
  return name.str();
}

Result<EdgeEffect> edge_effect(const EngineState& state, const PatchPairInfo& pair, const EdgeRef& edge,
                               const RunControl& control) {
  HS_ASSIGN(const auto engine, open_engine(state));
  const ComputationalGraph graph(graph_shape(engine->config()));
  PathOptions options;
  options.through_mlps = false;
  HS_ASSIGN(const int sender, graph.find_sender(sender_name(edge)));
  HS_ASSIGN(const int receiver,
            graph.find_receiver(receiver_name(edge, graph.shape().n_kv_heads != graph.shape().n_heads)));
  options.senders = {sender};
  options.receivers = {receiver};
  CircuitTask circuit;
  circuit.pairs = {patch_pair(pair)};
  HS_ASSIGN(const PathEffects effects, patch_paths(*engine, graph, circuit, options, control));
  if (!effects.complete) return make_error(ErrorCode::cancelled, "cancelled");
  return EdgeEffect{effects.clean[0], effects.effects[0]};
}

} // namespace headscope::gui
