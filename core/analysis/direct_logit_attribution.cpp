// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/analysis/direct_logit_attribution.h"

#include <ATen/ATen.h>

#include "core/analysis/residual_parts.h"
#include "core/model/guard.h"
#include "core/sweeps/sweep.h"

namespace headscope {
namespace {

// The linear function from a residual to logits, once the final norm's scale is known: logit = x . direction / scale +
// constant.
struct Readout {
  at::Tensor direction; // [row, d_model], norm's weight and centring included
  at::Tensor constant;  // [row]
};

at::Tensor mean_row(const at::Tensor& matrix, const std::vector<std::int64_t>& ids) {
  const at::Tensor index = at::tensor(ids, at::kLong).to(matrix.device());
  return matrix.index_select(0, index).to(at::kDouble).mean(0);
}

at::Tensor answer_minus_wrong(const at::Tensor& matrix, const Answers& answers) {
  const at::Tensor answer = mean_row(matrix, answers.answer);
  return answers.wrong.empty() ? answer : answer - mean_row(matrix, answers.wrong);
}

Readout make_readout(const Model& model, const std::vector<Answers>& answers) {
  const ModelConfig& config = model.config;
  const ModelWeights& weights = model.weights;
  std::vector<at::Tensor> directions, constants;
  for (const Answers& row : answers) {
    at::Tensor direction = answer_minus_wrong(weights.w_u, row);
    at::Tensor constant = at::zeros({}, direction.options());
    if (weights.b_u.defined()) constant = answer_minus_wrong(weights.b_u.unsqueeze(1), row).squeeze(0);
    if (config.final_norm) {
      if (weights.ln_final.b.defined()) constant = constant + (weights.ln_final.b.to(at::kDouble) * direction).sum();
      if (weights.ln_final.w.defined()) direction = direction * weights.ln_final.w.to(at::kDouble);
      const NormKind last = config.last_norm();
      const bool centers = last == NormKind::layer_norm || last == NormKind::layer_norm_pre;
      if (centers) direction = direction - direction.mean(); // (x - mean(x)) . d = x . (d - mean(d))
    }
    directions.push_back(direction);
    constants.push_back(constant);
  }
  return {at::stack(directions), at::stack(constants)};
}

// The sums of one chunk of prompts, gathered while the model runs.
class Chunk {
public:
  Chunk(const Engine& engine, const std::vector<AttributionPrompt>& prompts, std::vector<std::int64_t> rows)
      : engine_(engine), config_(engine.config()), rows_(std::move(rows)) {
    TokenRows tokens;
    std::vector<Answers> answers;
    for (const std::int64_t row : rows_) {
      tokens.push_back(prompts[static_cast<std::size_t>(row)].tokens);
      answers.push_back(prompts[static_cast<std::size_t>(row)].answers);
    }
    request_.batch = TokenBatch::pad(tokens, TokenBatch::Side::right);
    readout_ = make_readout(engine.model(), answers);
  }

  Status run(DirectLogitAttribution& out, const CancelToken& cancel) {
    request_.cancel = cancel;
    request_.until = LogitRows::last;
    add_hooks(out);
    scale_ = at::ones_like(readout_.constant);
    HS_ASSIGN(const RunResult result, engine_.run(request_));
    for (const Part& part : parts_)
      keep(part);
    const at::Tensor constant = readout_.constant.to(at::kCPU);
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const auto row = static_cast<std::size_t>(rows_[i]);
      out.constant[row] = constant[static_cast<std::int64_t>(i)].item<double>();
      out.total[row] += out.constant[row];
    }
    return {};
  }

private:
  struct Part {
    std::vector<double>* out;
    std::int64_t per_prompt, begin; // in `out`: entries per prompt, and the first of this part
    at::Tensor values;              // [row, entry], not yet divided by the scale
  };

  // Projects x [row, ..., d_model] onto the direction: [row, ...].
  at::Tensor project(const at::Tensor& x) const {
    at::Tensor direction = readout_.direction;
    if (x.dim() == 3) direction = direction.unsqueeze(1);
    return (x.to(at::kDouble) * direction).sum(-1);
  }

  void read(HookSite site, std::vector<double>& out, std::int64_t per_prompt, std::int64_t begin) {
    request_.hooks.push_back({site, [this, &out, per_prompt, begin](HookSite, at::Tensor x) {
                                const at::Tensor value = project(at_last_token(x, request_.batch.right_pad));
                                parts_.push_back({&out, per_prompt, begin, value.unsqueeze(1)});
                                return x;
                              }});
  }

  void read_attention(int layer, DirectLogitAttribution& out) {
    request_.hooks.push_back(
        {{HookPoint::result, layer}, [this, layer, &out](HookSite, at::Tensor x) {
           const BlockWeights& block = engine_.model().weights.blocks[static_cast<std::size_t>(layer)];
           const at::Tensor last = at_last_token(x, request_.batch.right_pad).unsqueeze(1);
           const AttentionParts parts = attention_parts(config_, block, last);
           parts_.push_back(
               {&out.heads, out.n_layers * out.n_heads, layer * out.n_heads, project(parts.heads.squeeze(1))});
           if (!parts.bias.defined()) return x;
           const at::Tensor bias = parts.bias.reshape({-1, config_.d_model}).expand({x.size(0), config_.d_model});
           parts_.push_back({&out.attn_bias, out.n_layers, layer, project(bias).unsqueeze(1)});
           return x;
         }});
  }

  void add_hooks(DirectLogitAttribution& out) {
    read({HookPoint::resid_pre, 0}, out.input, 1, 0);
    const int n_layers = static_cast<int>(config_.n_layers);
    for (int layer = 0; layer < n_layers; ++layer) {
      read_attention(layer, out);
      if (config_.has_mlp()) read({HookPoint::mlp_out, layer}, out.mlps, out.n_layers, layer);
    }
    read({HookPoint::resid_post, n_layers - 1}, out.total, 1, 0);
    if (!config_.final_norm || config_.norm == NormKind::none) return;
    request_.hooks.push_back({{HookPoint::final_scale, -1}, [this](HookSite, at::Tensor x) {
                                scale_ = at_last_token(x, request_.batch.right_pad).squeeze(-1).to(at::kDouble);
                                return x;
                              }});
  }

  void keep(const Part& part) const {
    const at::Tensor values = (part.values / scale_.unsqueeze(1)).to(at::kCPU).contiguous();
    const double* value = values.const_data_ptr<double>();
    for (const std::int64_t row : rows_)
      for (std::int64_t entry = 0; entry < values.size(1); ++entry)
        (*part.out)[static_cast<std::size_t>(row * part.per_prompt + part.begin + entry)] = *value++;
  }

  const Engine& engine_;
  const ModelConfig& config_;
  std::vector<std::int64_t> rows_;
  RunRequest request_;
  Readout readout_;
  std::vector<Part> parts_;
  at::Tensor scale_; // [row]
};

DirectLogitAttribution zeros(const ModelConfig& config, std::size_t prompts) {
  DirectLogitAttribution out;
  out.n_prompts = static_cast<std::int64_t>(prompts);
  out.n_layers = config.n_layers;
  out.n_heads = config.n_heads;
  const auto layers = static_cast<std::size_t>(config.n_layers), heads = static_cast<std::size_t>(config.n_heads);
  out.input.assign(prompts, 0.0);
  out.heads.assign(prompts * layers * heads, 0.0);
  out.attn_bias.assign(prompts * layers, 0.0);
  out.mlps.assign(prompts * layers, 0.0);
  out.constant.assign(prompts, 0.0);
  out.total.assign(prompts, 0.0);
  return out;
}

} // namespace

std::vector<double> DirectLogitAttribution::mean_heads() const {
  return mean_over_first_axis(heads, n_prompts, n_layers * n_heads);
}
std::vector<double> DirectLogitAttribution::mean_mlps() const {
  return mean_over_first_axis(mlps, n_prompts, n_layers);
}

Result<DirectLogitAttribution> attribute_logits(const Engine& engine, const std::vector<AttributionPrompt>& prompts,
                                                const RunControl& control, std::int64_t tokens_at_once) {
  return guarded("attributing logits", [&]() -> Result<DirectLogitAttribution> {
    TokenRows tokens;
    std::vector<Answers> answers;
    for (const AttributionPrompt& prompt : prompts) {
      tokens.push_back(prompt.tokens);
      answers.push_back(prompt.answers);
    }
    HS_TRY(check_rows(tokens, engine, "prompt"));
    HS_TRY(check_answers(MetricKind::prob_diff, answers, engine.config().n_logits())); // needs no wrong answers
    DirectLogitAttribution out = zeros(engine.config(), prompts.size());
    std::int64_t done = 0;
    for (const auto& chunk : chunk_rows(tokens, 1, tokens_per_run(tokens_at_once, engine), false)) {
      HS_TRY(Chunk(engine, prompts, chunk).run(out, control.cancel));
      done += static_cast<std::int64_t>(chunk.size());
      control.report("attributing logits", done, out.n_prompts);
    }
    return out;
  });
}

} // namespace headscope
