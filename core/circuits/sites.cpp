// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/circuits/sites.h"

namespace headscope {

NodeSite input_site(const ComputationalGraph& graph, int index) {
  const Receiver& receiver = graph.receivers()[static_cast<std::size_t>(index)];
  switch (receiver.kind) {
  case ReceiverKind::q: return {{HookPoint::q_input, receiver.layer}, receiver.head};
  case ReceiverKind::k: return {{HookPoint::k_input, receiver.layer}, receiver.head};
  case ReceiverKind::v: return {{HookPoint::v_input, receiver.layer}, receiver.head};
  case ReceiverKind::mlp: return {{HookPoint::mlp_in, receiver.layer}, std::nullopt};
  case ReceiverKind::logits: break;
  }
  return {{HookPoint::resid_post, static_cast<int>(graph.shape().n_layers) - 1}, std::nullopt};
}

HookSite output_site(const ComputationalGraph& graph, int index) {
  const Sender& sender = graph.senders()[static_cast<std::size_t>(index)];
  switch (sender.kind) {
  case SenderKind::head: return {HookPoint::attn_out, sender.layer};
  case SenderKind::mlp: return {HookPoint::mlp_out, sender.layer};
  case SenderKind::input: break;
  }
  return {HookPoint::resid_pre, 0};
}

} // namespace headscope
