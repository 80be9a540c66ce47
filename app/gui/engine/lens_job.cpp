// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine/lens_job.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "app/gui/engine/engine_state.h"
#include "core/analysis/direct_logit_attribution.h"
#include "core/analysis/logit_lens.h"

namespace headscope::gui {
namespace {

constexpr int most_positions = 128; // each costs an unembedding a layer

Result<std::int64_t> token_of(const Tokenizer& tokenizer, const std::string& text, const char* field) {
  const auto id = answer_token(tokenizer, text);
  if (!id.ok()) return make_error(id.error().code, id.error().message, {}, field);
  return *id;
}

std::string row_name(HookSite site) { return std::string(short_name(site.point)) + " " + std::to_string(site.layer); }

} // namespace

Result<LensMap> run_lens(const EngineState& state, const LensRequest& request, const RunControl& control) {
  HS_ASSIGN(const auto engine, open_engine(state));
  const Tokenizer& tokenizer = *engine->model().tokenizer;
  LensMap map;
  LogitLensOptions options;
  options.top = LensMap::top;
  if (!request.follow.empty()) {
    HS_ASSIGN(const std::int64_t id, token_of(tokenizer, request.follow, "token"));
    options.tokens = {id};
    map.followed = token_info(tokenizer, id);
  }
  const int n = static_cast<int>(request.tokens.size());
  map.first_position = std::max(0, n - most_positions);
  for (int position = map.first_position; position < n; ++position)
    options.positions.push_back(position);
  HS_ASSIGN(LogitLens lens, logit_lens(*engine, request.tokens, options, control));
  map.n_rows = static_cast<int>(lens.sites.size());
  map.n_positions = static_cast<int>(lens.positions.size());
  for (const HookSite& site : lens.sites)
    map.rows.push_back(row_name(site));
  for (const std::int64_t id : lens.top_ids)
    if (!map.tokens.contains(id)) map.tokens.emplace(id, token_info(tokenizer, id));
  map.top_ids = std::move(lens.top_ids);
  map.top_probabilities = std::move(lens.top_probabilities);
  map.top_logits = std::move(lens.top_logits);
  map.kl_divergence = std::move(lens.kl_divergence);
  map.entropy = std::move(lens.entropy);
  map.logits = std::move(lens.token_logits);
  map.probabilities = std::move(lens.token_probabilities);
  map.ranks = std::move(lens.token_ranks);
  return map;
}

Result<AttributionMap> run_attribution(const EngineState& state, const AttributionRequest& request,
                                       const RunControl& control) {
  HS_ASSIGN(const auto engine, open_engine(state));
  const Tokenizer& tokenizer = *engine->model().tokenizer;
  std::vector<std::int64_t> pair(2);
  if (request.answer.empty() || request.wrong.empty()) {
    RunRequest run;
    run.batch = TokenBatch::single(request.tokens);
    run.until = LogitRows::last;
    run.cancel = control.cancel;
    HS_ASSIGN(const RunResult result, engine->run(run));
    const at::Tensor likeliest = std::get<1>(result.logits[0].topk(3)).to(at::kCPU);
    for (int i = 0; i < 2; ++i)
      pair[static_cast<std::size_t>(i)] = likeliest[i].item<std::int64_t>();
    // One of them was typed; the other is the likeliest different token.
    const std::string& typed = request.answer.empty() ? request.wrong : request.answer;
    if (!typed.empty()) {
      HS_ASSIGN(const std::int64_t id, token_of(tokenizer, typed, request.answer.empty() ? "wrong" : "answer"));
      pair = {id, id == pair[0] ? pair[1] : pair[0]};
      if (request.answer.empty()) std::swap(pair[0], pair[1]);
    }
  } else {
    HS_ASSIGN(pair[0], token_of(tokenizer, request.answer, "answer"));
    HS_ASSIGN(pair[1], token_of(tokenizer, request.wrong, "wrong"));
  }
  const AttributionPrompt prompt{request.tokens, {{pair[0]}, {pair[1]}}};
  HS_ASSIGN(const DirectLogitAttribution found, attribute_logits(*engine, {prompt}, control));
  AttributionMap map;
  map.answer = token_info(tokenizer, pair[0]);
  map.wrong = token_info(tokenizer, pair[1]);
  map.n_layers = static_cast<int>(found.n_layers);
  map.n_heads = static_cast<int>(found.n_heads);
  map.heads = found.heads;
  map.mlps = found.mlps;
  map.attention = found.attn_bias;
  for (std::int64_t layer = 0; layer < found.n_layers; ++layer)
    for (std::int64_t head = 0; head < found.n_heads; ++head)
      map.attention[static_cast<std::size_t>(layer)] += found.heads[found.index(0, layer, head)];
  map.input = found.input[0];
  map.constant = found.constant[0];
  map.total = found.total[0];
  return map;
}

} // namespace headscope::gui
