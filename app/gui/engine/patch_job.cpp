// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine/patch_job.h"

#include <algorithm>
#include <chrono>

#include <ATen/ATen.h>

#include "app/gui/engine/engine_state.h"
#include "app/gui/engine/patch_position.h"
#include "core/analysis/leading_space.h"
#include "core/sweeps/attribution_patching.h"

namespace headscope::gui {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds between_partials(100);

std::vector<std::int64_t> ids_of(const std::vector<TokenInfo>& tokens) {
  std::vector<std::int64_t> ids;
  for (const TokenInfo& token : tokens)
    ids.push_back(token.id);
  return ids;
}

Result<std::vector<TokenInfo>> tokens_of(const Engine& engine, const std::string& text, bool add_special,
                                         const char* field) {
  if (text.empty()) return make_error(ErrorCode::invalid_argument, "the prompt is empty; type something", {}, field);
  const Tokenizer& tokenizer = *engine.model().tokenizer;
  HS_ASSIGN(const auto ids, tokenizer.encode(text, {add_special, true}));
  if (static_cast<std::int64_t>(ids.size()) > engine.config().n_ctx)
    return make_error(ErrorCode::mismatch,
                      "has " + std::to_string(ids.size()) + " tokens, the model's context " +
                          std::to_string(engine.config().n_ctx) + "; shorten it",
                      {}, field);
  std::vector<TokenInfo> tokens;
  for (const std::int64_t id : ids)
    tokens.push_back(token_info(tokenizer, id));
  return tokens;
}

// The logits after the last token [d_vocab].
Result<at::Tensor> next_logits(const Engine& engine, const std::vector<TokenInfo>& tokens, const CancelToken& cancel) {
  RunRequest request;
  request.batch = TokenBatch::single(ids_of(tokens));
  request.until = LogitRows::last;
  request.cancel = cancel;
  HS_ASSIGN(const RunResult run, engine.run(request));
  return run.logits[0];
}

// The two likeliest next tokens.
std::vector<std::int64_t> likeliest(const at::Tensor& logits) {
  const at::Tensor top = std::get<1>(logits.topk(2)).to(at::kCPU);
  return {top[0].item<std::int64_t>(), top[1].item<std::int64_t>()};
}

Result<TokenInfo> given_token(const Tokenizer& tokenizer, const std::string& text, const char* field) {
  const auto id = answer_token(tokenizer, text);
  if (!id.ok()) return make_error(id.error().code, id.error().message, {}, field);
  return token_info(tokenizer, *id);
}

// `logits` are those after the clean prompt, undefined where they have not been computed yet.
Result<std::string> space_note(const Engine& engine, const PatchPrompts& prompts, const PatchPairInfo& pair,
                               const at::Tensor& logits, const CancelToken& cancel) {
  const Tokenizer& tokenizer = *engine.model().tokenizer;
  std::vector<UnspacedAnswer> unspaced;
  note_unspaced(tokenizer, 0, prompts.answer, pair.answer->id, unspaced);
  note_unspaced(tokenizer, 0, prompts.wrong, pair.wrong->id, unspaced);
  if (logits.defined()) return leading_space_warning(logits, unspaced);
  return leading_space_warning(engine, {ids_of(pair.clean)}, unspaced, cancel);
}

PatchMap map_of(const PatchingResult& result, const PatchPairInfo& pair, const PatchSettings& settings) {
  PatchMap map;
  map.settings = settings;
  if (!settings.position) map.settings.axes = to_string(result.axes);
  map.clean = pair.clean;
  map.corrupt = pair.corrupt;
  map.n_layers = static_cast<int>(result.n_layers);
  map.n_columns = static_cast<int>(map.by_head() ? result.n_heads : result.n_positions);
  for (std::int64_t layer = 0; layer < result.n_layers; ++layer)
    for (std::int64_t column = 0; column < map.n_columns; ++column) {
      const std::int64_t position = map.by_head() ? settings.position.value_or(0) : column;
      map.restored.push_back(
          static_cast<float>(result.restored[result.index(0, layer, position, map.by_head() ? column : 0)]));
    }
  map.clean_value = result.clean[0];
  map.corrupt_value = result.corrupt[0];
  map.complete = result.complete;
  map.note = pair.note;
  return map;
}

Result<PatchingOptions> options_of(const PatchSettings& settings) {
  PatchingOptions options;
  HS_ASSIGN(options.site, parse_hook_point(settings.site));
  HS_ASSIGN(options.axes, parse_name<PatchAxes>(settings.axes, "axes"));
  HS_ASSIGN(options.metric, parse_name<MetricKind>(settings.metric, "metric"));
  options.noising = settings.noising;
  if (settings.layer) options.layers = {*settings.layer};
  if (options.axes == PatchAxes::layer_position_head)
    return make_error(ErrorCode::unsupported, "a map shows two axes; choose layer_position or layer_head", {}, "axes");
  return options;
}

Result<PatchMap> estimated_map(const Engine& engine, const PatchPairInfo& pair, const PatchSettings& settings,
                               const PatchingOptions& options, const RunControl& control) {
  if (settings.position)
    return make_error(ErrorCode::unsupported, "heads at one position are patched, not estimated", {}, "estimate");
  HS_ASSIGN(const AttributionPatching found, attribute_patches(engine, {patch_pair(pair)}, options, {}, control));
  PatchMap map = map_of(found.estimated, pair, settings);
  for (const CheckedCell& cell : found.checked)
    map.checked.push_back({cell.layer, static_cast<int>(map.by_head() ? cell.head : cell.position), cell.estimated,
                           cell.exact, cell.agrees});
  return map;
}

} // namespace

PatchPair patch_pair(const PatchPairInfo& pair) {
  PatchPair wanted{ids_of(pair.clean), ids_of(pair.corrupt), {}};
  if (pair.answer) wanted.answers.answer = {pair.answer->id};
  if (pair.wrong) wanted.answers.wrong = {pair.wrong->id};
  return wanted;
}

bool PatchPairInfo::differs() const { return ids_of(clean) != ids_of(corrupt); }

Result<PatchPairInfo> read_pair(EngineState& state, const PatchPrompts& prompts, const RunControl& control) {
  HS_ASSIGN(const auto engine, open_engine(state));
  const Tokenizer& tokenizer = *engine->model().tokenizer;
  PatchPairInfo pair;
  pair.prompts = std::make_shared<const PatchPrompts>(prompts);
  HS_ASSIGN(pair.clean, tokens_of(*engine, prompts.clean, prompts.add_special, "clean"));
  HS_ASSIGN(pair.corrupt, tokens_of(*engine, prompts.corrupt, prompts.add_special, "corrupt"));
  if (!pair.aligned()) return pair;
  at::Tensor after_clean;
  if (prompts.answer.empty()) {
    HS_ASSIGN(after_clean, next_logits(*engine, pair.clean, control.cancel));
    pair.answer = token_info(tokenizer, likeliest(after_clean)[0]);
  } else {
    HS_ASSIGN(pair.answer, given_token(tokenizer, prompts.answer, "answer"));
  }
  if (prompts.wrong.empty()) {
    HS_ASSIGN(const at::Tensor after_corrupt, next_logits(*engine, pair.corrupt, control.cancel));
    const std::vector<std::int64_t> top = likeliest(after_corrupt);
    // Where both runs predict the same token, takes the corrupt run's second choice.
    pair.wrong = token_info(tokenizer, top[top[0] == pair.answer->id ? 1 : 0]);
  } else {
    HS_ASSIGN(pair.wrong, given_token(tokenizer, prompts.wrong, "wrong"));
  }
  HS_ASSIGN(pair.note, space_note(*engine, prompts, pair, after_clean, control.cancel));
  return pair;
}

Result<PatchMap> run_patching(const EngineState& state, const PatchPairInfo& pair, const PatchSettings& settings,
                              const RunControl& control, const std::function<void(PatchMap)>& partial) {
  HS_ASSIGN(const auto engine, open_engine(state));
  HS_ASSIGN(const PatchingOptions options, options_of(settings));
  const PatchPair wanted = patch_pair(pair);
  Clock::time_point next = Clock::now();
  const auto post = [&](const PatchingPart& part) -> Status {
    if (!partial || Clock::now() < next) return {};
    next = Clock::now() + between_partials;
    partial(map_of(*part.result, pair, settings));
    return {};
  };
  if (settings.estimate) return estimated_map(*engine, pair, settings, options, control);
  HS_ASSIGN(const PatchingResult result,
            settings.position ? patch_heads_at(*engine, wanted, options, *settings.position, control, post)
                              : patch_activations(*engine, {wanted}, options, control, post));
  return map_of(result, pair, settings);
}

} // namespace headscope::gui
