// SPDX-License-Identifier: GPL-3.0-or-later
// Copy suppression (McDougall et al. 2310.04625), from the weights alone: the head attends to the token that is about
// to be predicted and writes against it.
#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/ATen.h>

#include "core/base/random.h"
#include "core/engine/block_parts.h"
#include "core/model/guard.h"
#include "core/store/column_values.h"
#include "plugins/detectors/builtin.h"
#include "plugins/detectors/effective_embedding.h"
#include "plugins/detectors/evidence.h"

namespace headscope {
namespace {

constexpr const char* summary =
    "Share of tokens that are among the most suppressed of the vocabulary when the head attends to them: the diagonal "
    "of W_U W_OV W_EE among the 10 most negative of its column, W_EE = W_E + MLP0(ln2(W_E))";

// The sampled tokens in a layer: the values they give when attended to, and the queries they give when about to be
// predicted.
struct Layer {
  at::Tensor z;             // [head_index, token, d_head]
  at::Tensor q;             // [head_index, token, d_head]
  at::Tensor own_logit;     // [head_index, token]
  at::Tensor own_score;     // [head_index, token]
  at::Tensor more_negative; // how many of the vocabulary have a smaller logit [head_index, token]
  at::Tensor larger_key;    // how many have a larger score as keys [head_index, token]
};

// The weights in float32; the vocabulary is processed in blocks.
class Weights {
public:
  Weights(const Engine& engine) : model_(engine.model()), config_(engine.config()) {}

  // Applies ln1 to W_EE: what the heads of a layer read at a token's own position.
  at::Tensor source(int layer, const at::Tensor& w_ee) const { return normed(layer, w_ee); }

  // A residual that predicts a token: its row of W_U, as read through the final norm.
  at::Tensor unembedding(const at::Tensor& tokens) const {
    at::Tensor u = model_.weights.w_u.index_select(0, tokens.to(model_.device)).to(at::kFloat);
    if (!config_.final_norm) return u;
    if (model_.weights.ln_final.w.defined()) u = u * model_.weights.ln_final.w.to(at::kFloat);
    return centers() ? u - u.mean(-1, true) : u;
  }

  // Queries [head_index, token, d_head], with QK norm but without positions.
  at::Tensor queries(int layer, const at::Tensor& tokens) const {
    const BlockWeights& block = block_of(layer);
    const at::Tensor q =
        at::matmul(normed(layer, unembedding(tokens)).unsqueeze(0), view_w_q(config_, block).to(at::kFloat));
    return config_.qk_norm ? apply_norm(head_norm(), as_float(block.q_norm), q) : q;
  }
  // Keys [kv_head_index, token, d_head].
  at::Tensor keys(int layer, const at::Tensor& source) const {
    const BlockWeights& block = block_of(layer);
    const at::Tensor k = at::matmul(source.unsqueeze(0), view_w_k(config_, block).to(at::kFloat));
    return config_.qk_norm ? apply_norm(head_norm(), as_float(block.k_norm), k) : k;
  }
  // Values [head_index, token, d_head].
  at::Tensor values(int layer, const at::Tensor& source) const {
    return grouped(at::matmul(source.unsqueeze(0), view_w_v(config_, block_of(layer)).to(at::kFloat)));
  }
  // The logits that a unit of each head's z gives to tokens: [head_index, token, d_head].
  at::Tensor readout(int layer, const at::Tensor& unembedding) const {
    const BlockWeights& block = block_of(layer);
    at::Tensor u = unembedding;
    if (config_.post_norms && block.ln1_post.w.defined()) u = u * block.ln1_post.w.to(at::kFloat);
    return at::matmul(u.unsqueeze(0), view_w_o(config_, block).to(at::kFloat).transpose(1, 2));
  }
  at::Tensor grouped(const at::Tensor& x) const { return x.repeat_interleave(config_.n_heads / config_.n_kv_heads, 0); }

  at::Tensor embedding(const at::Tensor& tokens) const {
    if (config_.has_mlp()) return effective_embedding(model_, tokens, {true, true});
    return at::embedding(model_.weights.w_e, tokens.to(model_.device)).to(at::kFloat) * config_.embed_scale;
  }

private:
  const BlockWeights& block_of(int layer) const { return model_.weights.blocks[static_cast<std::size_t>(layer)]; }
  bool centers() const { return config_.norm == NormKind::layer_norm || config_.norm == NormKind::layer_norm_pre; }
  static NormWeights as_float(const NormWeights& weights) {
    return {weights.w.defined() ? weights.w.to(at::kFloat) : weights.w, {}}; // biases are no part of the circuits
  }
  at::Tensor normed(int layer, const at::Tensor& x) const {
    return apply_norm(config_, as_float(block_of(layer).ln1), x);
  }
  ModelConfig head_norm() const {
    ModelConfig norm;
    norm.norm = NormKind::rms_norm;
    norm.norm_eps = config_.norm_eps;
    return norm;
  }

  const Model& model_;
  const ModelConfig& config_;
};

class CopySuppressionDetector : public Detector {
public:
  std::string id() const override { return "copy_suppression"; }
  std::string title() const override { return "Copy suppression heads"; }
  std::string description() const override { return summary; }
  std::string reference() const override { return "McDougall et al. 2023, arXiv 2310.04625"; }

  std::vector<OptionSpec> options() const override {
    return {
        {"threshold", 0.5, "heads that suppress at least this share of tokens", {}, 0.0},
        {"min_qk", 0.1, "and attend most to the token predicted for at least this share are named", {}, 0.0},
        {"tokens", std::int64_t{128}, "tokens drawn from the vocabulary; 0: all", {}, 0},
        {"most_negative", std::int64_t{10}, "a token counts as suppressed among so many", {}, 1},
        {"first_layer", std::int64_t{0}, "first layer that is looked at", {}, 0},
        {"last_layer", std::int64_t{-1}, "last layer that is looked at; -1: the model's last", {}, -1},
        {"block", std::int64_t{8192}, "tokens of the vocabulary at a time: bounds the memory", {}, 1},
        {"seed", std::int64_t{0}, "of the draw", {}, 0},
    };
  }

  Status check(const Engine& engine) const override {
    if (!engine.model().tokenizer)
      return make_error(ErrorCode::unsupported, "the model has no tokenizer; its inputs may not be tokens", {}, id());
    return {};
  }

  Result<DetectorResult> run(const DetectorRun& run) const override {
    return guarded("finding copy suppression heads", [&] { return measure(run); });
  }

private:
  static std::vector<std::int64_t> draw(const DetectorRun& run) {
    std::vector<std::int64_t> tokens(static_cast<std::size_t>(run.engine.config().d_vocab));
    std::iota(tokens.begin(), tokens.end(), std::int64_t{0});
    const auto count = static_cast<std::size_t>(run.options.integer("tokens"));
    if (count == 0 || count >= tokens.size()) return tokens;
    Random(static_cast<std::uint64_t>(run.options.integer("seed"))).shuffle(tokens);
    tokens.resize(count);
    std::sort(tokens.begin(), tokens.end());
    return tokens;
  }

  static std::vector<Layer> prepare(const Weights& weights, const at::Tensor& tokens, int first, int last) {
    const at::Tensor w_ee = weights.embedding(tokens), unembedding = weights.unembedding(tokens);
    std::vector<Layer> layers;
    for (int i = first; i <= last; ++i) {
      Layer layer;
      const at::Tensor source = weights.source(i, w_ee);
      layer.z = weights.values(i, source);
      layer.q = weights.queries(i, tokens);
      layer.own_logit = (weights.readout(i, unembedding) * layer.z).sum(-1);
      layer.own_score = (weights.grouped(weights.keys(i, source)) * layer.q).sum(-1);
      layer.more_negative = at::zeros(layer.own_logit.sizes(), layer.own_logit.options().dtype(at::kLong));
      layer.larger_key = at::zeros_like(layer.more_negative);
      layers.push_back(std::move(layer));
    }
    return layers;
  }

  // A token's own entry is computed again here and may differ by rounding, so it is never counted against itself.
  static void pass_block(const Weights& weights, const at::Tensor& block, const at::Tensor& tokens, int first,
                         std::vector<Layer>& layers) {
    const at::Tensor w_ee = weights.embedding(block), unembedding = weights.unembedding(block);
    const at::Tensor others = block.unsqueeze(1).ne(tokens.unsqueeze(0)).to(w_ee.device()); // [block, token]
    for (std::size_t i = 0; i < layers.size(); ++i) {
      Layer& layer = layers[i];
      const int index = first + static_cast<int>(i);
      const at::Tensor readout = weights.readout(index, unembedding);
      const at::Tensor keys = weights.grouped(weights.keys(index, weights.source(index, w_ee)));
      for (std::int64_t head = 0; head < layer.z.size(0); ++head) {
        const at::Tensor logits = at::matmul(readout[head], layer.z[head].t()); // [block, token]
        layer.more_negative[head].add_(logits.lt(layer.own_logit[head]).logical_and_(others).sum(0));
        const at::Tensor scores = at::matmul(keys[head], layer.q[head].t());
        layer.larger_key[head].add_(scores.gt(layer.own_score[head]).logical_and_(others).sum(0));
      }
    }
  }

  Result<DetectorResult> measure(const DetectorRun& run) const {
    const ModelConfig& config = run.engine.config();
    const int first = static_cast<int>(run.options.integer("first_layer"));
    const int end = static_cast<int>(config.n_layers) - 1;
    const int last = run.options.integer("last_layer") < 0 ? end : static_cast<int>(run.options.integer("last_layer"));
    if (first > last || last > end)
      return make_error(ErrorCode::invalid_argument,
                        "must be first_layer to " + std::to_string(end) + ", the model's last", {},
                        "copy_suppression.last_layer");
    const std::vector<std::int64_t> ids = draw(run);
    const at::Tensor tokens = at::tensor(ids, at::kLong);
    const Weights weights(run.engine);
    std::vector<Layer> layers = prepare(weights, tokens, first, last);
    const std::int64_t step = run.options.integer("block");
    for (std::int64_t begin = 0; begin < config.d_vocab; begin += step) {
      throw_if_cancelled(run.control.cancel); // a count over part of the vocabulary is meaningless
      run.control.report("copy suppression", begin, config.d_vocab);
      pass_block(weights, at::arange(begin, std::min(begin + step, config.d_vocab), at::kLong), tokens, first, layers);
    }
    return summarise(run, layers, ids, first);
  }

  DetectorResult summarise(const DetectorRun& run, const std::vector<Layer>& layers,
                           const std::vector<std::int64_t>& ids, int first) const {
    DetectorResult result = empty_result(run.engine);
    std::vector<float> qk = result.scores;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const at::Tensor suppressed =
          layers[i].more_negative.lt(run.options.integer("most_negative")).to(at::kDouble).mean(1).cpu();
      const at::Tensor largest = layers[i].larger_key.eq(0).to(at::kDouble).mean(1).cpu();
      for (std::int64_t head = 0; head < result.n_heads; ++head) {
        const std::size_t cell = result.index(first + static_cast<int>(i), head);
        result.scores[cell] = static_cast<float>(suppressed[head].item<double>());
        qk[cell] = static_cast<float>(largest[head].item<double>());
      }
    }
    result.description = summary;
    result.threshold = run.options.number("threshold");
    result.findings = {{"tokens", static_cast<std::int64_t>(ids.size())}, {"vocabulary", run.engine.config().d_vocab}};
    name_heads_where(result, {{"qk_share", run.options.number("min_qk"), [&](std::size_t i) { return qk[i]; }}});
    result.maps = {{"qk_share",
                    "share of tokens t that the query of W_U[t] finds most among all keys W_EE, positions left out",
                    "1", std::move(qk)}};
    add_evidence(layers, ids, first, run.engine, result);
    return result;
  }

  // Adds, for each named head, the rank of each sampled token.
  static void add_evidence(const std::vector<Layer>& layers, const std::vector<std::int64_t>& ids, int first,
                           const Engine& engine, DetectorResult& result) {
    struct Row {
      std::int64_t layer = 0, head = 0, token = 0;
      std::string piece;
      std::int64_t more_suppressed = 0, larger_keys = 0;
    };
    std::vector<Row> rows;
    for (const HeadId& named : result.heads) {
      const Layer& of = layers[static_cast<std::size_t>(named.layer - first)];
      const at::Tensor more_negative = of.more_negative[named.head].cpu(), larger_key = of.larger_key[named.head].cpu();
      for (std::size_t i = 0; i < ids.size(); ++i) {
        const auto at = static_cast<std::int64_t>(i);
        rows.push_back({.layer = named.layer,
                        .head = named.head,
                        .token = ids[i],
                        .piece = engine.model().tokenizer->piece(ids[i]),
                        .more_suppressed = more_negative[at].item<std::int64_t>(),
                        .larger_keys = larger_key[at].item<std::int64_t>()});
      }
    }
    const auto column = [&](auto member) { return store::column_values(rows, member); };
    store::Table table;
    table.columns = {{"layer", column(&Row::layer), "1", "layer"},
                     {"head", column(&Row::head), "1", "head"},
                     {"token", column(&Row::token), "1", "id"},
                     {"piece", column(&Row::piece), "", "the token"},
                     {"more_suppressed", column(&Row::more_suppressed), "1",
                      "tokens that are suppressed more when the head attends to it"},
                     {"larger_keys", column(&Row::larger_keys), "1",
                      "tokens that the head would rather attend to when it is predicted"}};
    result.tables.push_back({"ranks", std::move(table)});
  }
};

} // namespace

std::unique_ptr<Detector> make_copy_suppression_detector() { return std::make_unique<CopySuppressionDetector>(); }

} // namespace headscope
