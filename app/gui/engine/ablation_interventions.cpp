// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine/ablation_interventions.h"

#include <algorithm>
#include <map>

#include <ATen/ATen.h>

#include "core/model/guard.h"

namespace headscope::gui {
namespace {

Result<TokenRows> encode_reference(const Engine& engine, const std::vector<std::string>& texts) {
  TokenRows rows;
  for (const std::string& text : texts) {
    HS_ASSIGN(auto ids, engine.model().tokenizer->encode(text));
    if (static_cast<std::int64_t>(ids.size()) > engine.config().n_ctx)
      ids.resize(static_cast<std::size_t>(engine.config().n_ctx));
    if (!ids.empty()) rows.push_back(std::move(ids));
  }
  if (rows.empty())
    return make_error(ErrorCode::mismatch, "mean and resample need at least one reference text; write some", {},
                      "reference texts");
  return rows;
}

// Shared, since a more urgent job may put other texts in their place while the means of these are made.
Result<std::shared_ptr<ReferenceActivations>> reference_of(EngineState& state, const std::vector<std::string>& texts) {
  if (state.reference && state.reference->texts == texts) return state.reference;
  HS_ASSIGN(const auto engine, open_engine(state));
  HS_ASSIGN(TokenRows rows, encode_reference(*engine, texts));
  state.reference = std::make_shared<ReferenceActivations>();
  state.reference->texts = texts;
  state.reference->rows = std::move(rows);
  return state.reference;
}

// Makes the means of all layers at once, so that the next head needs no run of the reference texts.
Status make_means(const Engine& engine, ReferenceActivations& reference, const RunControl& control) {
  if (reference.means) return {};
  reference.options.method = AblationMethod::mean;
  reference.options.reference = reference.rows;
  std::vector<int> layers;
  for (int layer = 0; layer < engine.config().n_layers; ++layer)
    layers.push_back(layer);
  HS_ASSIGN(AblationSource means, AblationSource::prepare(engine, reference.rows, reference.options, layers, control));
  reference.means.emplace(std::move(means));
  return {};
}

using Group = std::pair<AblationMethod, Phase>;
using Made = std::vector<std::pair<AblatedHead, Intervention>>;

// Adds heads of one method and phase, in order of layers.
Status add_group(EngineState& state, const std::vector<std::int64_t>& tokens, const AblationInput& input,
                 const Group& group, const std::vector<HeadId>& heads, const RunControl& control, Made& made) {
  HS_ASSIGN(const auto engine, open_engine(state));
  const TokenRows prompts = {tokens};
  HeadAblationOptions options;
  options.method = group.first;
  options.phase = group.second;
  options.seed = input.seed;
  AblationSource* source = nullptr;
  std::optional<AblationSource> own;
  std::shared_ptr<ReferenceActivations> kept;
  if (options.method == AblationMethod::mean) {
    HS_ASSIGN(kept, reference_of(state, input.reference));
    HS_TRY(make_means(*engine, *kept, control));
    kept->options.phase = options.phase;
    source = &*kept->means;
  } else {
    if (options.method == AblationMethod::resample) {
      HS_ASSIGN(const auto reference, reference_of(state, input.reference));
      options.reference = reference->rows;
    }
    HS_ASSIGN(AblationSource prepared, AblationSource::prepare(*engine, prompts, options, {}, control));
    source = &own.emplace(std::move(prepared));
    source->begin_chunk({0});
  }
  int layer = -1;
  for (const HeadId head : heads) {
    if (head.layer != layer) HS_TRY(source->begin_layer(head.layer));
    layer = head.layer;
    auto intervention = source->intervention(0, static_cast<std::int64_t>(tokens.size()), head);
    if (intervention) made.emplace_back(AblatedHead{head, group.first, group.second}, std::move(*intervention));
  }
  return {};
}

Result<Made> make_all(EngineState& state, const std::vector<std::int64_t>& tokens, const AblationInput& input,
                      const RunControl& control) {
  HS_ASSIGN(const auto engine, open_engine(state));
  std::map<Group, std::vector<HeadId>> groups;
  for (const AblatedHead& head : input.heads) {
    if (head.head.layer >= engine->config().n_layers || head.head.head >= engine->config().n_heads)
      return make_error(ErrorCode::mismatch, "the model has no head " + head_name(head.head) + "; put it back", {},
                        "ablated heads");
    groups[{head.how, head.when}].push_back(head.head);
  }
  Made made;
  for (auto& [group, heads] : groups) {
    std::sort(heads.begin(), heads.end());
    // A prompt of one token has no tokens before its last.
    if (group.second == Phase::prefill && tokens.size() < 2) continue;
    HS_TRY(add_group(state, tokens, input, group, heads, control, made));
  }
  return made;
}

} // namespace

Result<std::vector<Intervention>> prompt_interventions(EngineState& state, const std::vector<std::int64_t>& tokens,
                                                       const AblationInput& input, const RunControl& control) {
  return guarded("preparing the ablation", [&]() -> Result<std::vector<Intervention>> {
    HS_ASSIGN(Made made, make_all(state, tokens, input, control));
    std::vector<Intervention> list;
    for (auto& [head, intervention] : made)
      list.push_back(std::move(intervention));
    return list;
  });
}

Result<std::vector<Intervention>> generation_interventions(EngineState& state, const std::vector<std::int64_t>& tokens,
                                                           const AblationInput& input, const RunControl& control) {
  return guarded("preparing the ablation", [&]() -> Result<std::vector<Intervention>> {
    HS_ASSIGN(Made made, make_all(state, tokens, input, control));
    std::vector<Intervention> list;
    for (auto& [head, intervention] : made) {
      if (head.how != AblationMethod::resample) {
        intervention.positions.clear();
        intervention.phase = head.when;
        list.push_back(std::move(intervention));
        continue;
      }
      // First the prompt's own positions, including the last; then those after it.
      list.push_back(intervention);
      if (head.when == Phase::prefill) continue;
      Intervention after = intervention;
      after.phase = Phase::decode;
      after.positions.clear();
      after.value = intervention.value.select(0, intervention.value.size(0) - 1);
      list.push_back(std::move(after));
    }
    return list;
  });
}

} // namespace headscope::gui
