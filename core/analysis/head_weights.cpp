// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/analysis/head_weights.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>

#include "core/model/guard.h"

namespace headscope {
namespace {

constexpr double not_measured = std::numeric_limits<double>::quiet_NaN();

bool takes_mean(NormKind norm) { return norm == NormKind::layer_norm || norm == NormKind::layer_norm_pre; }

at::Tensor exact(const at::Tensor& weights) { return weights.to(at::kCPU, at::kDouble); }

// Folds a norm into a matrix [..., d_model, x] that reads the norm's output.
at::Tensor folded(const at::Tensor& reads, const NormWeights& norm, bool centered) {
  at::Tensor out = exact(reads);
  if (norm.w.defined()) out = out * exact(norm.w).unsqueeze(-1);
  if (centered) out = out - out.mean(-2, true);
  return out;
}

// Computes A^T B of two matrices [d_vocab, d_model] in slices of tokens, so that no float64 copy is large.
at::Tensor over_tokens(const at::Tensor& a, const at::Tensor& b) {
  constexpr std::int64_t at_once = 8192;
  at::Tensor sum = at::zeros({a.size(1), b.size(1)}, at::kDouble);
  for (std::int64_t begin = 0; begin < a.size(0); begin += at_once) {
    const std::int64_t count = std::min(at_once, a.size(0) - begin);
    sum += exact(a.narrow(0, begin, count)).t().mm(exact(b.narrow(0, begin, count)));
  }
  return sum;
}

// The matrices of one layer's heads, all [head_index, ...]: W_Q, W_K, W_V [d_model, d_head] and W_O [d_head, d_model].
struct LayerHeads {
  at::Tensor q, k, v, o;
};

class Reader {
public:
  Reader(const Model& model, const HeadWeightsOptions& options, const RunControl& control, HeadWeights& out)
      : model_(model), config_(model.config), options_(options), control_(control), out_(out),
        centered_(takes_mean(config_.norm)) {}

  void all() {
    for (std::int64_t layer = 0; layer < config_.n_layers; ++layer)
      layers_.push_back(heads_of(layer));
    if (options_.eigenvalues && !eigenvalues()) return;
    if (options_.composition && !composition()) return;
    for (const HeadId& head : options_.singular)
      singular(head);
    out_.complete = true;
  }

private:
  bool stopped(const char* stage, std::int64_t done) const {
    control_.report(stage, done, config_.n_layers);
    return control_.cancel.cancelled();
  }

  LayerHeads heads_of(std::int64_t layer) const {
    const BlockWeights& block = model_.weights.blocks[static_cast<std::size_t>(layer)];
    const std::int64_t shared = config_.n_heads / config_.n_kv_heads;
    const auto of_each_head = [&](const at::Tensor& weights) { return weights.repeat_interleave(shared, 0); };
    const auto scaled = [](const at::Tensor& weights, const NormWeights& norm) {
      return norm.w.defined() ? weights * exact(norm.w) : weights;
    };
    return {scaled(folded(view_w_q(config_, block), block.ln1, centered_), block.q_norm),
            of_each_head(scaled(folded(view_w_k(config_, block), block.ln1, centered_), block.k_norm)),
            of_each_head(folded(view_w_v(config_, block), block.ln1, centered_)),
            scaled(exact(view_w_o(config_, block)), block.ln1_post)};
  }

  // Folds the final norm into `reads` [d_model, ...], as the unembedding reads it.
  at::Tensor read_out(const at::Tensor& reads) const {
    return folded(reads, model_.weights.ln_final, takes_mean(config_.last_norm()));
  }

  // The sum of eigenvalues over the sum of their absolute values [head_index], for matrices [head_index, d_head,
  // d_head].
  static at::Tensor positivity(const at::Tensor& products) {
    const at::Tensor values = at::linalg_eigvals(products);
    return at::real(values).sum(-1) / values.abs().sum(-1);
  }

  // A d_vocab x d_vocab product has the nonzero eigenvalues of the same factors in cyclic order, which is d_head x
  // d_head.
  bool eigenvalues() {
    const at::Tensor &embed = model_.weights.w_e, &unembed = model_.weights.w_u;
    const at::Tensor same_tokens = over_tokens(embed, embed); // W_E^T W_E [d_model, d_model]
    // Copying has no meaning for a model whose logits are not its tokens.
    const bool as_many = unembed.size(0) == embed.size(0);
    const at::Tensor out_to_in = as_many ? read_out(over_tokens(unembed, embed)) : at::Tensor(); // W_U W_E
    for (std::int64_t layer = 0; layer < config_.n_layers; ++layer) {
      if (stopped("eigenvalues", layer)) return false;
      const LayerHeads& heads = layers_[static_cast<std::size_t>(layer)];
      if (as_many) keep(positivity(heads.o.matmul(out_to_in).matmul(heads.v)), layer, out_.copying);
      keep(positivity(heads.k.transpose(-2, -1).matmul(same_tokens).matmul(heads.q)), layer, out_.matching);
    }
    return true;
  }

  void keep(const at::Tensor& of_heads, std::int64_t layer, std::vector<double>& out) const {
    for (std::int64_t head = 0; head < config_.n_heads; ++head)
      out[out_.index(layer, head)] = of_heads[head].item<double>();
  }

  // Computes the Frobenius norm of a b from small factors: |a b| = |R_a b'| with a = Q R_a, b'^T = R of b^T.
  static at::Tensor triangle(const at::Tensor& tall) { return std::get<1>(at::linalg_qr(tall, "r")); }
  static at::Tensor norm_of(const at::Tensor& small) { return small.flatten(-2).norm(2, -1); }

  bool composition() {
    std::vector<at::Tensor> read_v, write_o, read_q, read_k; // triangles [head_index, d_head, d_head]
    std::vector<at::Tensor> ov_norm, qk_norm;                // [head_index]
    for (const LayerHeads& heads : layers_) {
      read_v.push_back(triangle(heads.v));
      write_o.push_back(triangle(heads.o.transpose(-2, -1)));
      read_q.push_back(triangle(heads.q));
      read_k.push_back(triangle(heads.k));
      ov_norm.push_back(norm_of(read_v.back().matmul(write_o.back().transpose(-2, -1))));
      qk_norm.push_back(norm_of(read_q.back().matmul(read_k.back().transpose(-2, -1))));
    }
    for (std::int64_t from = 0; from < config_.n_layers; ++from) {
      if (stopped("composition", from)) return false;
      for (std::int64_t to = from + 1; to < config_.n_layers; ++to) {
        const auto f = static_cast<std::size_t>(from), t = static_cast<std::size_t>(to);
        const auto score = [&](const at::Tensor& a, const at::Tensor& other, const at::Tensor& norm,
                               std::vector<double>& out) {
          pairs(from, to, read_v[f], a, other, ov_norm[f].unsqueeze(-1) * norm, out);
        };
        score(layers_[t].q, read_k[t], qk_norm[t], out_.q_composition);
        score(layers_[t].k, read_q[t], qk_norm[t], out_.k_composition);
        score(layers_[t].v, write_o[t], ov_norm[t], out_.v_composition);
      }
    }
    return true;
  }

  // Computes |W_OV A B^T| over `norms` (|W_OV| |A B^T|) for all heads of two layers; `other` is the triangle of B.
  void pairs(std::int64_t from, std::int64_t to, const at::Tensor& reads, const at::Tensor& a, const at::Tensor& other,
             const at::Tensor& norms, std::vector<double>& out) const {
    const at::Tensor& writes = layers_[static_cast<std::size_t>(from)].o;
    for (std::int64_t i = 0; i < config_.n_heads; ++i) {
      const at::Tensor between = writes[i].matmul(a); // [head_index of the later, d_head, d_head]
      const at::Tensor scores = norm_of(reads[i].matmul(between).matmul(other.transpose(-2, -1))) / norms[i];
      for (std::int64_t j = 0; j < config_.n_heads; ++j)
        out[out_.pair(from * config_.n_heads + i, to * config_.n_heads + j)] = scores[j].item<double>();
    }
  }

  std::vector<std::int64_t> strongest(const at::Tensor& of_tokens, bool largest) const {
    const at::Tensor ids = std::get<1>(of_tokens.topk(std::min(options_.tokens, of_tokens.size(0)), 0, largest));
    return {ids.const_data_ptr<std::int64_t>(), ids.const_data_ptr<std::int64_t>() + ids.numel()};
  }

  // The direction as the unembedding reads it: the transpose of the fold in read_out().
  at::Tensor seen(at::Tensor written) const {
    if (takes_mean(config_.last_norm())) written = written - written.mean(0, true);
    return model_.weights.ln_final.w.defined() ? written * exact(model_.weights.ln_final.w).unsqueeze(-1) : written;
  }

  static at::Tensor of_tokens(const at::Tensor& tokens, const at::Tensor& direction) {
    return tokens.to(at::kCPU, at::kFloat).mv(direction.to(at::kFloat));
  }

  void singular(const HeadId& id) {
    const LayerHeads& heads = layers_[static_cast<std::size_t>(id.layer)];
    const auto [in, values, out] = at::linalg_svd(heads.v[id.head].mm(heads.o[id.head]), false);
    for (std::int64_t i = 0; i < std::min(options_.directions, config_.d_head); ++i) {
      const at::Tensor reads = of_tokens(model_.weights.w_e, in.select(1, i));
      const at::Tensor written = out[i].unsqueeze(-1); // what the unembedding sees of it
      const at::Tensor writes = of_tokens(model_.weights.w_u, seen(written).squeeze(-1));
      // The sign of a singular vector is arbitrary; it is chosen so that the written logit of largest magnitude is
      // positive.
      const bool turned = writes.min().abs().item<double>() > writes.max().item<double>();
      out_.singular.push_back({id, values[i].item<double>(), strongest(reads, !turned), strongest(reads, turned),
                               strongest(writes, !turned), strongest(writes, turned)});
    }
  }

  const Model& model_;
  const ModelConfig& config_;
  const HeadWeightsOptions& options_;
  const RunControl& control_;
  HeadWeights& out_;
  bool centered_ = false;
  std::vector<LayerHeads> layers_;
};

} // namespace

Result<HeadWeights> head_weights(const Model& model, const HeadWeightsOptions& options, const RunControl& control) {
  return guarded("reading weights", [&]() -> Result<HeadWeights> {
    HeadWeights out;
    out.n_layers = model.config.n_layers;
    out.n_heads = model.config.n_heads;
    const auto heads = static_cast<std::size_t>(out.n_layers * out.n_heads);
    if (options.eigenvalues) {
      out.copying.assign(heads, not_measured);
      out.matching.assign(heads, not_measured);
    }
    if (options.composition)
      for (auto* scores : {&out.q_composition, &out.k_composition, &out.v_composition})
        scores->assign(heads * heads, not_measured);
    Reader(model, options, control, out).all();
    return out;
  });
}

} // namespace headscope
