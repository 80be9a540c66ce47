// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/attention_needs.h"

#include <limits>

#include "core/engine/hook_plan.h"

namespace headscope {
namespace {

// Whether a layer's attention sees no distance that the model was not trained on, however long the text is.
bool stays_within_context(const LayerNeeds& needs, const ModelConfig& config, int layer) {
  const LayerConfig& own = config.layers.at(static_cast<std::size_t>(layer));
  const auto within = [&](const std::optional<std::int64_t>& distance) {
    return distance && *distance <= config.n_ctx;
  };
  return within(needs.reach) || within(own.window);
}

// Whether positions beyond the context have rotary tables of the same kind as those within it.
bool rotates_any_position(const ModelConfig& config) {
  if (config.positions != PositionKind::rotary) return false;
  return !config.rotary_depends_on_length();
}

// Refuses a cache whose deeper layers were computed under another attention, or without what this one keeps there.
Status check_past(const AttentionBackend& attention, const KvPast& past) {
  const KvCache* cache = past.appended() ? past.appended() : past.prefix();
  if (!cache || cache->length() == 0 || cache->attention() == attention.name()) return {};
  return make_error(ErrorCode::mismatch,
                    "the KV cache was filled under '" + cache->attention() + "', and this run attends by '" +
                        attention.name() + "'; begin again with the whole text",
                    {}, "attention");
}

} // namespace

Status check_needs(const AttentionBackend& attention, const RunRequest& request, const RunSpan& span,
                   const HookPlan& plan, bool differentiated) {
  HS_TRY(check_past(attention, request.past));
  const auto* layered = dynamic_cast<const LayeredAttention*>(&attention);
  if (!layered) return {};
  for (int layer = span.first_layer; layer < span.end_layer; ++layer) {
    const LayerNeeds needs = layered->needs(layer);
    const auto refuse = [&](const std::string& why) {
      return make_error(ErrorCode::unsupported, needs.mechanism + " in layer " + std::to_string(layer) + " " + why, {},
                        "attention");
    };
    if (needs.queries == QueryScope::beside && request.past.prefix())
      return refuse("needs all queries of a text together, so it cannot go on from a shared prefix; run the whole text "
                    "at once");
    if (needs.before_rotary && (plan.active(HookPoint::rot_q, layer) || plan.active(HookPoint::rot_k, layer)))
      return refuse("rotates q and k itself, so rot_q and rot_k are not what it attends with; use q and k");
    if (!needs.has_scores && plan.needs(HookPoint::attn_scores, layer))
      return refuse("has no scores: its weights are no softmax, so attn_scores cannot be read or edited; use pattern");
    const AttentionStatisticsRequest* statistics = request.statistics;
    if (needs.signed_pattern && statistics && (!statistics->wants || statistics->wants(layer)))
      return refuse("has weights below zero, which are no shares of attention to be counted");
    if (differentiated && !needs.differentiable) return refuse("has no gradient");
  }
  return {};
}

bool looks_beside(const AttentionBackend& attention, const ModelConfig& config) {
  const auto* layered = dynamic_cast<const LayeredAttention*>(&attention);
  for (int layer = 0; layered && layer < static_cast<int>(config.n_layers); ++layer)
    if (layered->needs(layer).queries == QueryScope::beside) return true;
  return false;
}

bool may_share_prefix(const AttentionBackend& attention, const ModelConfig& config) {
  return !config.rotary_depends_on_length() && !looks_beside(attention, config);
}

std::int64_t longest_text(const AttentionBackend* attention, const ModelConfig& config) {
  const auto* layered = dynamic_cast<const LayeredAttention*>(attention);
  if (!rotates_any_position(config)) return config.n_ctx;
  for (int layer = 0; layer < static_cast<int>(config.n_layers); ++layer)
    if (!stays_within_context(layered ? layered->needs(layer) : LayerNeeds{}, config, layer)) return config.n_ctx;
  return std::numeric_limits<std::int64_t>::max();
}

Status check_length(std::int64_t tokens, const AttentionBackend* attention, const ModelConfig& config,
                    const std::string& what, const std::string& field) {
  if (tokens <= longest_text(attention, config)) return {};
  return make_error(ErrorCode::mismatch,
                    what + " has " + std::to_string(tokens) + " tokens, the model's context " +
                        std::to_string(config.n_ctx),
                    {}, field);
}

} // namespace headscope
