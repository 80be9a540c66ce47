// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/attention_needs.h"

#include "core/engine/hook_plan.h"

namespace headscope {

Status check_needs(const AttentionBackend& attention, const RunRequest& request, const RunSpan& span,
                   const HookPlan& plan) {
  const auto* layered = dynamic_cast<const LayeredAttention*>(&attention);
  if (!layered) return {};
  for (int layer = span.first_layer; layer < span.end_layer; ++layer) {
    const LayerNeeds needs = layered->needs(layer);
    const auto refuse = [&](const std::string& why) {
      return make_error(ErrorCode::unsupported, needs.mechanism + " in layer " + std::to_string(layer) + " " + why, {},
                        "attention");
    };
    if ((needs.whole_rows || needs.before_rotary) && request.past.length() > 0)
      return refuse(
          "needs all queries and keys of a text together, so it cannot go on from a KV cache or a shared prefix; "
          "run the whole text at once");
    if (needs.before_rotary && (plan.active(HookPoint::rot_q, layer) || plan.active(HookPoint::rot_k, layer)))
      return refuse("rotates q and k itself, so rot_q and rot_k are not what it attends with; use q and k");
  }
  return {};
}

} // namespace headscope
