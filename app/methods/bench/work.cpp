// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/bench/work.h"

#include <algorithm>

namespace headscope::methods {
namespace {

class Counter {
public:
  // `weight_share` is how often the weights are read.
  Counter(const ModelConfig& config, std::int64_t prompts, std::int64_t tokens, std::int64_t element_bytes,
          double weight_share = 1.0, std::vector<std::int64_t> heads = {})
      : config_(config), prompts_(static_cast<double>(prompts)), tokens_(tokens),
        element_(static_cast<double>(element_bytes)), weight_share_(weight_share), heads_(std::move(heads)) {}

  void embedding() { work_.bytes += element_ * rows() * number(config_.d_model); }
  void unembedding() { product(prompts_, config_.d_model, config_.d_vocab); }

  void block(std::int64_t layer) {
    product(rows(), config_.d_model, (config_.n_heads + 2 * config_.n_kv_heads) * config_.d_head);
    attention(layer, rows(), prompts_ * pairs(layer));
    after_attention(rows());
  }

  void last_block(std::int64_t layer) {
    product(rows(), config_.d_model, 2 * config_.n_kv_heads * config_.d_head);
    product(prompts_, config_.d_model, config_.n_heads * config_.d_head);
    attention(layer, prompts_, prompts_ * seen(layer, tokens_ - 1));
    after_attention(prompts_);
  }

  // Counts the output matrix and the MLP for n tokens.
  void after_attention(double n) {
    product(n, config_.n_heads * config_.d_head, config_.d_model);
    if (!config_.has_mlp()) return;
    product(n, config_.d_model, config_.gated_mlp ? 2 * config_.d_mlp : config_.d_mlp);
    product(n, config_.d_mlp, config_.d_model);
  }

  void scores_again(std::int64_t layer) {
    work_.flop += 2.0 * prompts_ * pairs(layer) * number(config_.n_heads * config_.d_head);
    work_.bytes += element_ * rows() * number((config_.n_heads + config_.n_kv_heads) * config_.d_head);
  }

  double rows() const { return prompts_ * number(tokens_); }
  const WorkSize& work() const { return work_; }

private:
  static double number(std::int64_t x) { return static_cast<double>(x); }

  void product(double n, std::int64_t in, std::int64_t out) {
    work_.flop += 2.0 * n * number(in) * number(out);
    work_.bytes += element_ * (weight_share_ * number(in) * number(out) + n * number(in + out));
  }

  // Counts attention: q and z of n queries, k and v of all tokens.
  void attention(std::int64_t layer, double n, double query_key_pairs) {
    const std::int64_t heads = heads_.empty() ? config_.n_heads : heads_[static_cast<std::size_t>(layer)];
    work_.flop += 4.0 * query_key_pairs * number(heads * config_.d_head);
    work_.bytes +=
        element_ * number(2 * config_.d_head) * (n * number(config_.n_heads) + rows() * number(config_.n_kv_heads));
  }

  // The number of keys that the query sees.
  double seen(std::int64_t layer, std::int64_t query) const {
    const auto& window = config_.layers[static_cast<std::size_t>(layer)].window;
    return number(window ? std::min(query + 1, *window) : query + 1);
  }

  double pairs(std::int64_t layer) const {
    const auto& window = config_.layers[static_cast<std::size_t>(layer)].window;
    const std::int64_t w = window ? std::min(*window, tokens_) : tokens_;
    return number(w) * number(w + 1) / 2.0 + number(tokens_ - w) * number(w);
  }

  const ModelConfig& config_;
  double prompts_;
  std::int64_t tokens_;
  double element_, weight_share_;
  std::vector<std::int64_t> heads_; // of each layer whose attention is counted; empty: all
  WorkSize work_;
};

} // namespace

WorkSize forward_work(const ModelConfig& config, std::int64_t prompts, std::int64_t tokens, std::int64_t element_bytes,
                      const std::vector<std::int64_t>& heads) {
  Counter counter(config, prompts, tokens, element_bytes, 1.0, heads);
  counter.embedding();
  for (std::int64_t layer = 0; layer + 1 < config.n_layers; ++layer)
    counter.block(layer);
  counter.last_block(config.n_layers - 1);
  counter.unembedding();
  return counter.work();
}

WorkSize statistics_work(const ModelConfig& config, std::int64_t prompts, std::int64_t tokens,
                         std::int64_t element_bytes) {
  Counter counter(config, prompts, tokens, element_bytes);
  counter.embedding();
  for (std::int64_t layer = 0; layer < config.n_layers; ++layer) {
    counter.block(layer);
    for (int pass = 0; pass < 2; ++pass)
      counter.scores_again(layer);
  }
  counter.unembedding();
  return counter.work();
}

WorkSize sweep_work(const ModelConfig& config, std::int64_t prompts, std::int64_t tokens,
                    const std::vector<int>& layers, std::int64_t tokens_per_run, std::int64_t element_bytes) {
  WorkSize sum = forward_work(config, prompts, tokens, element_bytes);
  const double share = static_cast<double>(prompts * tokens) / static_cast<double>(tokens_per_run);
  for (const int layer : layers) {
    Counter counter(config, prompts, tokens, element_bytes, share);
    const bool last = layer + 1 == config.n_layers;
    counter.after_attention(last ? static_cast<double>(prompts) : counter.rows());
    for (std::int64_t after = layer + 1; after + 1 < config.n_layers; ++after)
      counter.block(after);
    if (!last) counter.last_block(config.n_layers - 1);
    counter.unembedding();
    sum += counter.work();
  }
  return sum;
}

} // namespace headscope::methods
