// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/detectors/copy_score.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "core/engine/block_parts.h"
#include "core/model/guard.h"

namespace headscope {
namespace {

struct Names {
  at::Tensor resid;  // after block 0 [name, d_model]
  at::Tensor tokens; // [name]
};

Result<Names> names_after_first_block(const Engine& engine, const std::vector<std::vector<std::int64_t>>& prompts,
                                      const std::vector<std::vector<std::int64_t>>& positions,
                                      const CancelToken& cancel) {
  std::vector<at::Tensor> resid;
  std::vector<std::int64_t> tokens;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    RunRequest request;
    request.batch = TokenBatch::single(prompts[i]);
    request.until = BeforeLayer{1};
    request.cancel = cancel;
    HS_ASSIGN(const RunResult run, engine.run(request));
    for (const std::int64_t position : positions[i]) {
      resid.push_back(run.resid[0][position]);
      tokens.push_back(prompts[i][static_cast<std::size_t>(position)]);
    }
  }
  return Names{at::stack(resid), at::tensor(tokens, at::kLong).to(engine.model().device)};
}

// Computes x W_V W_O of each head, with b_V: [head_index, name, d_model]. A post-norm's weight is applied, but not its
// scale, which the final norm removes.
at::Tensor written(const Model& model, int layer, const at::Tensor& resid) {
  const ModelConfig& config = model.config;
  const BlockWeights& block = model.weights.blocks[static_cast<std::size_t>(layer)];
  const at::Tensor x = apply_norm(config, block.ln1, resid);
  at::Tensor v = at::matmul(x.unsqueeze(0), view_w_v(config, block)); // [kv_head_index, name, d_head]
  const std::int64_t values = config.n_kv_heads * config.d_head;
  if (block.b_qkv.defined())
    v = v + block.b_qkv.narrow(0, block.b_qkv.size(0) - values, values).view({config.n_kv_heads, 1, config.d_head});
  at::Tensor out = at::matmul(v.repeat_interleave(config.n_heads / config.n_kv_heads, 0), view_w_o(config, block));
  if (config.post_norms && block.ln1_post.w.defined()) out = out * block.ln1_post.w;
  return out;
}

// The logits of a zero output: [d_vocab], or undefined where they are zero.
at::Tensor constant_logits(const Model& model) {
  const at::Tensor& bias = model.weights.ln_final.b;
  if (!model.config.final_norm || !bias.defined()) return model.weights.b_u;
  const at::Tensor from_norm = at::mv(model.weights.w_u, bias);
  return model.weights.b_u.defined() ? from_norm + model.weights.b_u : from_norm;
}

// Adds one layer's scores. The logits of -OV are those of OV with the opposite sign, except for the constant.
void add_layer(const Model& model, const at::Tensor& outputs, const Names& names, const at::Tensor& constant,
               std::int64_t top, CopyScores& out) {
  const NormWeights without_bias{model.weights.ln_final.w, {}};
  const at::Tensor x = apply_final_norm(model.config, without_bias, outputs);
  for (const at::Tensor& head : x.unbind(0)) { // [name, d_model]: one head's logits at a time
    const at::Tensor linear = at::matmul(head, model.weights.w_u.t());
    const auto share = [&](const at::Tensor& logits) {
      const at::Tensor own = logits.gather(1, names.tokens.unsqueeze(1));
      return logits.gt(own).sum(1).lt(top).to(at::kDouble).mean().item<double>();
    };
    out.copy.push_back(share(constant.defined() ? linear + constant : linear));
    out.negative.push_back(share(constant.defined() ? constant - linear : -linear));
  }
}

} // namespace

Result<CopyScores> copy_scores(const Engine& engine, const std::vector<std::vector<std::int64_t>>& prompts,
                               const std::vector<std::vector<std::int64_t>>& positions, std::int64_t top,
                               const RunControl& control) {
  return guarded("measuring copy scores", [&]() -> Result<CopyScores> {
    const Model& model = engine.model();
    HS_ASSIGN(const Names names, names_after_first_block(engine, prompts, positions, control.cancel));
    const at::Tensor constant = constant_logits(model);
    CopyScores out;
    for (int layer = 0; layer < model.config.n_layers; ++layer) {
      throw_if_cancelled(control.cancel);
      control.report("copy scores", layer, model.config.n_layers);
      add_layer(model, written(model, layer, names.resid), names, constant, top, out);
    }
    return out;
  });
}

} // namespace headscope
