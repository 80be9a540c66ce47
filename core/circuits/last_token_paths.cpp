// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/circuits/last_token_paths.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>

#include "core/analysis/residual_parts.h"
#include "core/engine/attention_needs.h"
#include "core/engine/block_parts.h"
#include "core/model/guard.h"
#include "core/sweeps/patch_plan.h"

namespace headscope {
namespace {

constexpr std::int64_t pairs_at_once = 16;
constexpr std::int64_t mlp_rows = 2048; // of one call: bounds its memory

std::vector<std::vector<std::int64_t>> rows_of(const std::vector<PatchPair>& pairs, bool corrupt) {
  std::vector<std::vector<std::int64_t>> rows;
  for (const PatchPair& pair : pairs)
    rows.push_back(corrupt ? pair.corrupt : pair.clean);
  return rows;
}

at::Tensor last_of(const at::Tensor& x) { return x.select(1, x.size(1) - 1); } // rows are padded on the left

// Activations of one run at the last tokens of its rows, by layer.
struct LastTokens {
  std::vector<at::Tensor> resid_pre, attn_out, mlp_out; // [row, d_model]
  std::vector<at::Tensor> heads;                        // what each head adds [row, head_index, d_model]
  at::Tensor logits;                                    // [row, d_vocab]
};

class Sweep {
public:
  Sweep(const Engine& engine, const std::vector<PatchPair>& pairs, const LastTokenPaths& options,
        const RunControl& control, LastTokenEffects& out)
      : engine_(engine), config_(engine.config()), pairs_(pairs), options_(options), control_(control), out_(out) {}

  Status run() {
    HS_TRY(find_means());
    for (std::size_t begin = 0; begin < pairs_.size(); begin += static_cast<std::size_t>(pairs_at_once)) {
      const std::size_t end = std::min(pairs_.size(), begin + static_cast<std::size_t>(pairs_at_once));
      chunk_.assign(pairs_.begin() + static_cast<std::ptrdiff_t>(begin),
                    pairs_.begin() + static_cast<std::ptrdiff_t>(end));
      first_ = begin;
      HS_TRY(run_chunk());
    }
    return {};
  }

private:
  int n_layers() const { return static_cast<int>(config_.n_layers); }
  const BlockWeights& block(int layer) const { return engine_.model().weights.blocks[static_cast<std::size_t>(layer)]; }

  // ---- Runs

  Status find_means() {
    if (options_.knocked_out.empty()) return {};
    RunRequest request;
    request.batch = TokenBatch::pad(rows_of(pairs_, true), TokenBatch::Side::left);
    request.until = LogitRows::none;
    request.cancel = control_.cancel;
    for (const HeadId& head : options_.knocked_out)
      request.capture.push_back({HookPoint::z, head.layer});
    HS_ASSIGN(const RunResult result, engine_.run(request));
    for (const HeadId& head : options_.knocked_out) {
      HS_ASSIGN(const at::Tensor z, result.cache.get({HookPoint::z, head.layer}));
      Intervention set;
      set.site = {HookPoint::z, head.layer};
      set.kind = InterventionKind::set;
      set.head = head.head;
      set.value = last_of(z).select(1, head.head).to(at::kFloat).mean(0).to(z.scalar_type());
      knock_out_.push_back(std::move(set));
    }
    return {};
  }

  RunRequest request_for(const std::vector<std::vector<std::int64_t>>& rows) const {
    RunRequest request;
    request.batch = TokenBatch::pad(rows, TokenBatch::Side::left);
    request.until = LogitRows::last;
    request.cancel = control_.cancel;
    for (Intervention set : knock_out_) {
      set.positions = {request.batch.tokens.size(1) - 1};
      request.interventions.push_back(std::move(set));
    }
    return request;
  }

  static void keep(RunRequest& request, HookSite site, at::Tensor& out) {
    request.hooks.push_back({site, [&out](HookSite, at::Tensor x) {
                               out = last_of(x).clone();
                               return x;
                             }});
  }

  Result<LastTokens> last_tokens(bool corrupt) const {
    RunRequest request = request_for(rows_of(chunk_, corrupt));
    const auto layers = static_cast<std::size_t>(config_.n_layers);
    LastTokens out;
    for (auto* list : {&out.resid_pre, &out.attn_out, &out.mlp_out, &out.heads})
      list->resize(layers);
    for (int layer = 0; layer < n_layers(); ++layer) {
      const auto i = static_cast<std::size_t>(layer);
      keep(request, {HookPoint::resid_pre, layer}, out.resid_pre[i]);
      keep(request, {HookPoint::attn_out, layer}, out.attn_out[i]);
      if (config_.has_mlp()) keep(request, {HookPoint::mlp_out, layer}, out.mlp_out[i]);
      request.hooks.push_back({{HookPoint::result, layer}, [&, i, layer](HookSite, at::Tensor x) {
                                 const at::Tensor last = x.narrow(1, x.size(1) - 1, 1);
                                 out.heads[i] = attention_parts(config_, block(layer), last).heads.squeeze(1).clone();
                                 return x;
                               }});
    }
    HS_ASSIGN(RunResult result, engine_.run(request));
    out.logits = std::move(result.logits);
    return out;
  }

  // ---- Senders on their way down: x [sender, row, d_model], by layer and head.

  at::Tensor mlp_of(int layer, const at::Tensor& x) const {
    std::vector<at::Tensor> parts;
    for (const at::Tensor& rows : x.flatten(0, 1).split(mlp_rows)) {
      at::Tensor out = apply_mlp(config_, block(layer), apply_norm(config_, block(layer).ln2, rows));
      if (config_.post_norms) out = apply_norm(config_, block(layer).ln2_post, out);
      parts.push_back(std::move(out));
    }
    return at::cat(parts).view(x.sizes());
  }

  // Calls at_layer(layer, resid_pre of the senders of earlier layers); returns the last residual of all senders.
  template <typename AtLayer>
  at::Tensor walk(const LastTokens& clean, const LastTokens& corrupt, const AtLayer& at_layer) const {
    at::Tensor x;
    for (int layer = 0; layer < n_layers(); ++layer) {
      throw_if_cancelled(control_.cancel);
      const auto i = static_cast<std::size_t>(layer);
      if (x.defined()) at_layer(layer, x);
      const at::Tensor changed = (corrupt.heads[i] - clean.heads[i]).transpose(0, 1); // [head_index, row, d_model]
      const at::Tensor own = clean.resid_pre[i].unsqueeze(0).expand_as(changed);
      const at::Tensor resid_pre = x.defined() ? at::cat({x, own}) : own;
      x = resid_pre + clean.attn_out[i];
      x.narrow(0, x.size(0) - config_.n_heads, config_.n_heads).add_(changed);
      if (!config_.has_mlp()) continue;
      x = x + (options_.through_mlps ? mlp_of(layer, config_.parallel_residual ? resid_pre : x) : clean.mlp_out[i]);
    }
    return x;
  }

  // ---- Metric

  double logit_difference(const at::Tensor& logits, const Answers& answers) const {
    const auto mean = [&](const std::vector<std::int64_t>& ids) {
      return logits.index_select(0, at::tensor(ids, at::kLong).to(logits.device()))
          .to(at::kDouble)
          .mean()
          .item<double>();
    };
    return mean(answers.answer) - mean(answers.wrong);
  }

  // Logit differences of the senders' last residuals x [sender, d] in one row; only the answers' logits are computed.
  at::Tensor differences(const at::Tensor& x, const Answers& answers) const {
    const ModelWeights& weights = engine_.model().weights;
    const at::Tensor normed = apply_final_norm(config_, weights.ln_final, x);
    const auto mean = [&](const std::vector<std::int64_t>& ids) {
      const at::Tensor index = at::tensor(ids, at::kLong).to(x.device());
      at::Tensor logits = at::matmul(normed, weights.w_u.index_select(0, index).t()).to(at::kDouble);
      if (weights.b_u.defined()) logits = logits + weights.b_u.index_select(0, index);
      if (config_.final_softcap) logits = at::tanh(logits / *config_.final_softcap) * *config_.final_softcap;
      return logits.mean(1);
    };
    return (mean(answers.answer) - mean(answers.wrong)).cpu();
  }

  void put(std::size_t row, std::int64_t sender, double patched) {
    const std::size_t pair = first_ + row;
    out_.effects[pair * static_cast<std::size_t>(config_.n_layers * config_.n_heads) +
                 static_cast<std::size_t>(sender)] = patched - out_.clean[pair];
  }

  Status run_chunk() {
    HS_ASSIGN(const LastTokens clean, last_tokens(false));
    HS_ASSIGN(const LastTokens corrupt, last_tokens(true));
    for (std::size_t row = 0; row < chunk_.size(); ++row)
      out_.clean[first_ + row] = logit_difference(clean.logits[static_cast<std::int64_t>(row)], chunk_[row].answers);
    if (!options_.queries.empty()) return to_queries(clean, corrupt);
    const at::Tensor x = walk(clean, corrupt, [](int, const at::Tensor&) {});
    for (std::size_t row = 0; row < chunk_.size(); ++row) {
      const at::Tensor values = differences(x.select(1, static_cast<std::int64_t>(row)), chunk_[row].answers);
      for (std::int64_t sender = 0; sender < values.size(0); ++sender)
        put(row, sender, values[sender].item<double>());
    }
    control_.report("patching paths", static_cast<std::int64_t>(first_ + chunk_.size()), out_.n_pairs);
    return {};
  }

  // ---- Paths to queries: the last token is run again, as a decode step, with the queries' inputs replaced.

  Status to_queries(const LastTokens& clean, const LastTokens& corrupt) {
    std::vector<at::Tensor> inputs(static_cast<std::size_t>(config_.n_layers)); // resid_pre [sender, row, d_model]
    walk(clean, corrupt, [&](int layer, const at::Tensor& x) {
      for (const HeadId& head : options_.queries)
        if (head.layer == layer) inputs[static_cast<std::size_t>(layer)] = x;
    });
    KvCache cache;
    RunRequest decode = request_for(rows_of(chunk_, false));
    RunRequest prefill = decode;
    prefill.interventions.clear(); // they are at the last token
    prefill.batch.tokens = decode.batch.tokens.narrow(1, 0, decode.batch.tokens.size(1) - 1);
    prefill.until = LogitRows::none;
    prefill.past = KvPast::append_to(cache, decode.batch.tokens.size(1));
    HS_TRY(engine_.run(prefill));
    decode.batch.tokens = decode.batch.tokens.narrow(1, cache.length(), 1);
    int last_layer = 0;
    for (const HeadId& head : options_.queries)
      last_layer = std::max(last_layer, head.layer);
    for (std::int64_t sender = 0; sender < last_layer * config_.n_heads; ++sender) {
      HS_TRY(patch_queries(decode, cache, inputs, sender));
      control_.report("patching paths to queries",
                      static_cast<std::int64_t>(first_) * last_layer * config_.n_heads +
                          sender * static_cast<std::int64_t>(chunk_.size()),
                      out_.n_pairs * last_layer * config_.n_heads);
    }
    return {};
  }

  Status patch_queries(RunRequest decode, KvCache cache, const std::vector<at::Tensor>& inputs, std::int64_t sender) {
    decode.past = KvPast::append_to(cache); // a copy: it grows by this step
    for (const HeadId& head : options_.queries) {
      const at::Tensor& input = inputs[static_cast<std::size_t>(head.layer)];
      if (!input.defined() || sender >= input.size(0)) continue;
      Intervention set;
      set.site = {HookPoint::q_input, head.layer};
      set.kind = InterventionKind::set;
      set.head = head.head;
      set.value = input[sender].unsqueeze(1); // [row, pos, d_model]
      decode.interventions.push_back(std::move(set));
    }
    HS_ASSIGN(const RunResult result, engine_.run(decode));
    for (std::size_t row = 0; row < chunk_.size(); ++row)
      put(row, sender, logit_difference(result.logits[static_cast<std::int64_t>(row)], chunk_[row].answers));
    return {};
  }

  const Engine& engine_;
  const ModelConfig& config_;
  const std::vector<PatchPair>& pairs_;
  const LastTokenPaths& options_;
  const RunControl& control_;
  LastTokenEffects& out_;
  std::vector<Intervention> knock_out_; // without positions
  std::vector<PatchPair> chunk_;
  std::size_t first_ = 0; // pair of the chunk
};

Status check(const Engine& engine, const std::vector<PatchPair>& pairs, const LastTokenPaths& options) {
  if (!options.queries.empty() && looks_beside(engine.attention(), engine.config()))
    return make_error(ErrorCode::unsupported,
                      std::string(engine.attention().name()) +
                          " looks at later queries, so the last token cannot be run again by itself",
                      {}, "attention");
  std::vector<Answers> answers;
  for (const PatchPair& pair : pairs)
    answers.push_back(pair.answers);
  HS_TRY(check_rows(rows_of(pairs, false), engine, "pair"));
  HS_TRY(check_rows(rows_of(pairs, true), engine, "pair"));
  HS_TRY(check_answers(MetricKind::logit_diff, answers, engine.config().n_logits()));
  HS_TRY(check_equal_lengths(pairs, engine.model().tokenizer.get()));
  for (const auto* heads : {&options.queries, &options.knocked_out})
    for (const HeadId& head : *heads)
      if (head.layer < 0 || head.layer >= engine.config().n_layers || head.head < 0 ||
          head.head >= engine.config().n_heads)
        return make_error(ErrorCode::invalid_argument, "the model has no such head", {}, head_name(head));
  for (const PatchPair& pair : pairs)
    if (!options.queries.empty() && pair.clean.size() < 2)
      return make_error(ErrorCode::invalid_argument, "a pair has only one token", {}, "pair");
  return {};
}

} // namespace

double LastTokenEffects::mean_clean() const { return mean_over_first_axis(clean, n_pairs, 1).front(); }

std::vector<double> LastTokenEffects::mean_effects() const {
  return mean_over_first_axis(effects, n_pairs, n_layers * n_heads);
}

Result<LastTokenEffects> patch_last_token_paths(const Engine& engine, const std::vector<PatchPair>& pairs,
                                                const LastTokenPaths& options, const RunControl& control) {
  return guarded("patching paths", [&]() -> Result<LastTokenEffects> {
    HS_TRY(check(engine, pairs, options));
    LastTokenEffects out;
    out.n_pairs = static_cast<std::int64_t>(pairs.size());
    out.n_layers = engine.config().n_layers;
    out.n_heads = engine.config().n_heads;
    constexpr double unmeasured = std::numeric_limits<double>::quiet_NaN();
    out.clean.assign(pairs.size(), unmeasured);
    out.effects.assign(static_cast<std::size_t>(out.n_pairs * out.n_layers * out.n_heads), unmeasured);
    HS_TRY(Sweep(engine, pairs, options, control, out).run());
    return out;
  });
}

} // namespace headscope
