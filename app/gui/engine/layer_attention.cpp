// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine/layer_attention.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>

#include "app/gui/engine/ablation_interventions.h"
#include "app/gui/engine/attention_plan.h"
#include "core/model/guard.h"

namespace headscope::gui {

AblationInput ablation_before(const AblationInput& ablation, int layer) {
  AblationInput before = ablation;
  std::erase_if(before.heads, [&](const AblatedHead& head) { return head.head.layer >= layer; });
  return before.heads.empty() ? AblationInput{} : before;
}

namespace {

// How many keys' and rows' scores are held at once while sums of rows are computed.
constexpr std::int64_t sum_keys = 4096, sum_rows = 256;

LayerAttention taken(const AttentionInput& input, const std::vector<std::int64_t>& tokens,
                     const AblationInput& ablation) {
  const auto by_head = [](const at::Tensor& x) { return x.select(0, 0).transpose(0, 1).to(at::kFloat).contiguous(); };
  LayerAttention layer;
  layer.tokens = tokens;
  layer.ablation = ablation_before(ablation, input.layer);
  layer.layer = input.layer;
  layer.q = by_head(input.q);
  layer.k = by_head(input.k);
  layer.scale = input.scale;
  layer.softcap = input.softcap;
  layer.window = input.mask.window;
  layer.log_sums.resize(static_cast<std::size_t>(layer.q.size(0)));
  return layer;
}

void keep(EngineState& state, LayerAttention layer) {
  state.attention.push_back(std::make_shared<LayerAttention>(std::move(layer)));
  drop_oldest(state);
}

// The default attention, which also keeps the q and k it is given.
class KeepingAttention : public AttentionBackend {
public:
  KeepingAttention(EngineState& state, const std::vector<std::int64_t>& tokens, const AblationInput& ablation, int last,
                   const RunControl& control)
      : state_(state), tokens_(tokens), ablation_(ablation), last_(last), control_(control) {}
  const char* name() const override { return "keeping"; }

  at::Tensor run(const AttentionInput& input) const override {
    keep(state_, taken(input, tokens_, ablation_));
    control_.report("running the model", input.layer, last_ + 1);
    return default_attention().run(input);
  }

private:
  EngineState& state_;
  const std::vector<std::int64_t>& tokens_;
  const AblationInput& ablation_;
  int last_;
  const RunControl& control_;
};

// What a run to `layer` can begin from: the residual of the clean run where the first head is ablated, or of the last
// look at a long prompt.
Result<std::vector<RowGroup>> start_of(EngineState& state, const std::vector<std::int64_t>& tokens, int layer,
                                       const AblationInput& ablation, const RunControl& control) {
  for (const AblatedHead& head : ablation.heads)
    layer = std::min(layer, static_cast<int>(head.head.layer));
  const bool known = state.clean && state.clean->tokens == tokens;
  if (known || tokens.size() <= longest_clean_run) {
    HS_ASSIGN(const CleanRun* clean, clean_run(state, tokens, control.cancel));
    return std::vector{RowGroup::from_residual(layer, clean->resid_pre[static_cast<std::size_t>(layer)])};
  }
  const std::optional<LongRun>& run = state.long_run;
  if (run && run->tokens == tokens && run->layer <= layer)
    return std::vector{RowGroup::from_residual(run->layer, run->resid_pre)};
  return std::vector<RowGroup>();
}

std::shared_ptr<LayerAttention> find(EngineState& state, const std::vector<std::int64_t>& tokens, int layer, int head,
                                     const AblationInput& ablation) {
  auto& kept = state.attention;
  const auto found = std::find_if(kept.begin(), kept.end(), [&](const auto& x) {
    return x->layer == layer && (x->only_head < 0 || x->only_head == head) && x->plan == state.plan &&
           x->tokens == tokens && x->ablation == ablation;
  });
  if (found == kept.end()) return nullptr;
  std::rotate(found, found + 1, kept.end()); // the newest are last
  return kept.back();
}

// The scores of queries and keys; -inf where a query may not see a key.
at::Tensor head_scores(const LayerAttention& layer, int head, std::int64_t q_begin, std::int64_t q_end,
                       std::int64_t k_begin, std::int64_t k_end) {
  const std::int64_t group = layer.q.size(0) / layer.k.size(0);
  const at::Tensor q = layer.q.select(0, head).slice(0, q_begin, q_end);
  const at::Tensor k = layer.k.select(0, head / group).slice(0, k_begin, k_end);
  at::Tensor scores = at::matmul(q, k.t()).mul_(layer.scale);
  if (layer.softcap) scores.div_(*layer.softcap).tanh_().mul_(*layer.softcap);
  const bool all_seen = k_end <= q_begin + 1 && (!layer.window || q_end - 1 - k_begin < *layer.window);
  if (all_seen) return scores;
  const auto options = at::TensorOptions().dtype(at::kLong).device(q.device());
  const at::Tensor distance =
      at::arange(q_begin, q_end, options).unsqueeze(1) - at::arange(k_begin, k_end, options).unsqueeze(0);
  at::Tensor hidden = distance < 0;
  if (layer.window) hidden = hidden.logical_or(distance >= *layer.window);
  return scores.masked_fill_(hidden, -std::numeric_limits<float>::infinity());
}

// The sums of the rows, computed for whole groups of rows when one of them is needed.
at::Tensor log_sums(LayerAttention& layer, int head, std::int64_t q_begin, std::int64_t q_end) {
  at::Tensor& sums = layer.log_sums[static_cast<std::size_t>(head)];
  const std::int64_t n = layer.q.size(1);
  if (!sums.defined()) sums = at::full({n}, std::numeric_limits<float>::quiet_NaN(), layer.q.options());
  for (std::int64_t begin = q_begin / sum_rows * sum_rows; begin < q_end; begin += sum_rows) {
    const std::int64_t end = std::min(begin + sum_rows, n);
    at::Tensor group = sums.slice(0, begin, end);
    if (!group.isnan().any().item<bool>()) continue;
    group.fill_(-std::numeric_limits<float>::infinity());
    const std::int64_t first = layer.window ? std::max<std::int64_t>(0, begin - *layer.window + 1) : 0;
    for (std::int64_t key = first; key < end; key += sum_keys)
      group.copy_(at::logaddexp(
          group, at::logsumexp(head_scores(layer, head, begin, end, key, std::min(key + sum_keys, end)), 1)));
  }
  return sums.slice(0, q_begin, q_end);
}

} // namespace

void drop_oldest(EngineState& state) {
  auto& kept = state.attention;
  std::size_t bytes = 0;
  auto first = kept.end();
  while (first != kept.begin() && (first == kept.end() || bytes < state.attention_bytes))
    bytes += (*--first)->bytes();
  kept.erase(kept.begin(), first);
}

std::size_t LayerAttention::bytes() const { return pattern.defined() ? pattern.nbytes() : q.nbytes() + k.nbytes(); }

Status run_through(EngineState& state, const std::vector<std::int64_t>& tokens, int layer, const AblationInput& before,
                   const RunControl& control, const std::function<void(RunRequest&)>& watches) {
  HS_ASSIGN(const auto engine, open_engine(state));
  RunRequest request;
  request.batch = TokenBatch::single(tokens);
  HS_ASSIGN(request.rows, start_of(state, tokens, layer, before, control));
  request.until = BeforeLayer{layer + 1};
  request.cancel = control.cancel;
  HS_ASSIGN(request.interventions, prompt_interventions(state, tokens, before, control));
  watches(request);
  HS_ASSIGN(RunResult run, engine->run(request));
  if (tokens.size() > longest_clean_run && before.heads.empty())
    state.long_run = LongRun{tokens, layer + 1, std::move(run.resid)};
  return {};
}

namespace {

// The pattern of a layer under a plan, as it is computed there: a mechanism may have no q and k that would give it.
Result<std::shared_ptr<LayerAttention>> planned_layer(EngineState& state, const std::vector<std::int64_t>& tokens,
                                                      int layer, int head, const AblationInput& before,
                                                      const RunControl& control) {
  HS_ASSIGN(const auto engine, open_engine(state));
  const std::int64_t n = std::ssize(tokens), n_heads = engine->config().n_heads;
  const std::size_t of_head = static_cast<std::size_t>(n * n) * sizeof(float);
  const bool one = of_head * static_cast<std::size_t>(n_heads) > state.attention_bytes;
  if (of_head > state.attention_bytes)
    return make_error(ErrorCode::out_of_memory,
                      "the map of a head under '" + state.plan +
                          "' takes more memory than preferences allow for kept layers; allow more, or take a shorter "
                          "prompt");
  LayerAttention kept;
  kept.tokens = tokens;
  kept.plan = state.plan;
  kept.ablation = before;
  kept.layer = layer;
  if (one) kept.only_head = head;
  AttentionObserver observer;
  observer.wants = [&](int each) {
    control.report("running the model", each, layer + 1);
    return each == layer;
  };
  observer.tile = [&](const PatternTile& tile) {
    at::Tensor rows = tile.pattern.select(0, 0).to(at::kFloat);
    if (one) rows = rows.narrow(0, head, 1);
    if (!kept.pattern.defined()) kept.pattern = at::zeros({rows.size(0), n, n}, rows.options());
    kept.pattern.narrow(1, tile.query_begin, rows.size(1)).narrow(2, 0, rows.size(2)).copy_(rows);
  };
  HS_TRY(
      run_through(state, tokens, layer, before, control, [&](RunRequest& request) { request.observer = &observer; }));
  if (!kept.pattern.defined())
    return make_error(ErrorCode::unsupported,
                      "'" + state.plan + "' shows no weights of layer " + std::to_string(layer));
  keep(state, std::move(kept));
  return state.attention.back();
}

} // namespace

Result<std::shared_ptr<LayerAttention>> layer_attention(EngineState& state, const std::vector<std::int64_t>& tokens,
                                                        int layer, int head, const AblationInput& ablation,
                                                        const RunControl& control) {
  HS_ASSIGN(const auto engine, open_engine(state));
  if (layer < 0 || layer >= engine->config().n_layers)
    return make_error(ErrorCode::invalid_argument, "the model has no layer " + std::to_string(layer));
  if (head < 0 || head >= engine->config().n_heads)
    return make_error(ErrorCode::invalid_argument, "the model has no head " + head_name({layer, head}));
  // Before the first layer that a plan changes, all is as without it.
  std::shared_ptr<void> full;
  if (!state.plan.empty() && layer < state.planned.first_layer) full = under_plan(state, {});
  const AblationInput before = ablation_before(ablation, layer);
  if (auto found = find(state, tokens, layer, head, before)) return found;
  if (!state.plan.empty()) return planned_layer(state, tokens, layer, head, before, control);
  const KeepingAttention attention(state, tokens, before, layer, control);
  HS_TRY(
      run_through(state, tokens, layer, before, control, [&](RunRequest& request) { request.attention = &attention; }));
  return find(state, tokens, layer, head, before);
}

at::Tensor head_weights(LayerAttention& layer, int head, std::int64_t q_begin, std::int64_t q_end, std::int64_t k_begin,
                        std::int64_t k_end) {
  if (layer.pattern.defined())
    return layer.pattern.select(0, layer.only_head < 0 ? head : 0)
        .slice(0, q_begin, q_end)
        .slice(1, k_begin, k_end)
        .clone();
  const at::Tensor sums = log_sums(layer, head, q_begin, q_end);
  return head_scores(layer, head, q_begin, q_end, k_begin, k_end).sub_(sums.unsqueeze(1)).exp_();
}

} // namespace headscope::gui
