// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/analysis/logit_lens.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "core/model/guard.h"

namespace headscope {
namespace {

Result<std::vector<std::int64_t>> wanted_positions(const std::vector<std::int64_t>& asked, std::int64_t length) {
  std::vector<std::int64_t> positions;
  for (std::int64_t i = 0; asked.empty() && i < length; ++i)
    positions.push_back(i);
  for (const std::int64_t position : asked) {
    if (position < -length || position >= length)
      return make_error(ErrorCode::invalid_argument,
                        "the prompt has positions 0 to " + std::to_string(length - 1) + ", not " +
                            std::to_string(position),
                        {}, "positions");
    positions.push_back(position < 0 ? position + length : position);
  }
  return positions;
}

Status check(const LogitLensOptions& options, const ModelConfig& config) {
  if (options.top < 0) return make_error(ErrorCode::invalid_argument, "must not be negative", {}, "top");
  for (const std::int64_t token : options.tokens)
    if (token < 0 || token >= config.n_logits())
      return make_error(ErrorCode::invalid_argument,
                        "token id " + std::to_string(token) + " is outside the vocabulary of " +
                            std::to_string(config.n_logits()),
                        {}, "tokens");
  return {};
}

std::vector<HookSite> lens_sites(const ModelConfig& config, bool mid) {
  std::vector<HookSite> sites;
  for (int layer = 0; layer < static_cast<int>(config.n_layers); ++layer) {
    sites.push_back({HookPoint::resid_pre, layer});
    if (mid && config.has_resid_mid()) sites.push_back({HookPoint::resid_mid, layer});
  }
  sites.push_back({HookPoint::resid_post, static_cast<int>(config.n_layers) - 1});
  return sites;
}

template <typename T> void append(std::vector<T>& out, const at::Tensor& values) {
  const at::Tensor x = values.to(at::kCPU, c10::CppTypeToScalarType<T>::value).contiguous();
  out.insert(out.end(), x.const_data_ptr<T>(), x.const_data_ptr<T>() + x.numel());
}

// `logits`: [position, d_vocab]; `log_model`: the model's own log-probabilities there.
void keep_row(const at::Tensor& logits, const at::Tensor& log_model, LogitLens& lens) {
  const at::Tensor log_p = logits.log_softmax(-1);
  const auto [top, ids] = logits.topk(lens.top, -1);
  append(lens.top_ids, ids);
  append(lens.top_logits, top);
  append(lens.top_probabilities, log_p.gather(-1, ids).exp());
  append(lens.entropy, -at::xlogy(log_p.exp(), log_p.exp()).sum(-1));
  append(lens.kl_divergence, (log_model.exp() * (log_model - log_p)).sum(-1));
  if (lens.tokens.empty()) return;
  const at::Tensor tokens = at::tensor(lens.tokens, at::kLong).to(logits.device());
  const at::Tensor chosen = logits.index_select(-1, tokens);
  append(lens.token_logits, chosen);
  append(lens.token_probabilities, log_p.index_select(-1, tokens).exp());
  std::vector<at::Tensor> ranks; // one token at a time: all at once would be [position, token, d_vocab]
  for (std::int64_t i = 0; i < chosen.size(-1); ++i)
    ranks.push_back((logits > chosen.narrow(-1, i, 1)).sum(-1));
  append(lens.token_ranks, at::stack(ranks, -1));
}

// Applies the final norm and the unembedding to a residual [position, d_model], in double precision.
Result<at::Tensor> unembed(const Engine& engine, const at::Tensor& resid, const CancelToken& cancel) {
  RunRequest request;
  request.batch.tokens = at::zeros({1, resid.size(0)}, at::kLong);
  request.rows = {RowGroup::from_residual(static_cast<int>(engine.config().n_layers), resid.unsqueeze(0))};
  request.cancel = cancel;
  HS_ASSIGN(const RunResult result, engine.run(request));
  return result.logits[0].to(at::kDouble);
}

} // namespace

Result<LogitLens> logit_lens(const Engine& engine, const std::vector<std::int64_t>& prompt,
                             const LogitLensOptions& options, const RunControl& control) {
  return guarded("running the logit lens", [&]() -> Result<LogitLens> {
    const ModelConfig& config = engine.config();
    HS_TRY(check(options, config));
    LogitLens lens;
    HS_ASSIGN(lens.positions, wanted_positions(options.positions, static_cast<std::int64_t>(prompt.size())));
    lens.sites = lens_sites(config, options.mid);
    lens.tokens = options.tokens;
    lens.top = std::min(options.top, config.n_logits());
    std::vector<at::Tensor> rows; // [position, d_model] each
    const at::Tensor index = at::tensor(lens.positions, at::kLong);
    RunRequest request;
    request.batch = TokenBatch::single(prompt);
    request.until = BeforeLayer{static_cast<int>(config.n_layers)};
    request.cancel = control.cancel;
    for (const HookSite& site : lens.sites)
      request.hooks.push_back({site, [&](HookSite, at::Tensor x) {
                                 rows.push_back(x[0].index_select(0, index.to(x.device())));
                                 return x;
                               }});
    HS_ASSIGN([[maybe_unused]] const RunResult run, engine.run(request));
    HS_ASSIGN(const at::Tensor of_model, unembed(engine, rows.back(), control.cancel));
    const at::Tensor log_model = of_model.log_softmax(-1);
    for (std::size_t row = 0; row < rows.size(); ++row) {
      HS_ASSIGN(const at::Tensor logits, unembed(engine, rows[row], control.cancel));
      keep_row(logits, log_model, lens);
      control.report("reading the residual stream", static_cast<std::int64_t>(row + 1),
                  static_cast<std::int64_t>(rows.size()));
    }
    return lens;
  });
}

} // namespace headscope
