// SPDX-License-Identifier: GPL-3.0-or-later
// Titans' memory as context: a matrix that learns states while the text is read, and whose answers stand before the
// next segment.
#include <algorithm>

#include <ATen/ATen.h>

#include "core/context_managers/context_manager.h"

namespace headscope::contexts {
namespace {

struct TitansOptions {
  double theta, eta, alpha;
  std::int64_t reads;
  bool next;
};

at::Tensor unit(const at::Tensor& x) { return x / x.norm(2, {-1}, true).clamp_min(1e-12); }

class NeuralMemory : public Memory {
public:
  NeuralMemory(const Reader& reader, const TitansOptions& options) : reader_(reader), options_(options) {}

  Result<Surroundings> around(const Ids& asked, const Ids&) override {
    Surroundings out;
    out.recall.assign(values_.size(), 0.0);
    if (!matrix_.defined()) return out;
    HS_ASSIGN(const at::Tensor states, reader_.states(asked));
    HS_ASSIGN(const at::Tensor embeddings, reader_.embeddings(asked));
    const std::int64_t reads = std::min(options_.reads, states.size(0));
    const at::Tensor read = at::matmul(unit(states.narrow(0, states.size(0) - reads, reads)), matrix_.t());
    for (std::size_t i = 0; i < values_.size(); ++i)
      if (values_[i].size(0) > 0) out.recall[i] = at::matmul(unit(read), values_[i].t()).amax(1).mean().item<double>();
    out.readings.front().before = {{{}, sized_as(read, embeddings)}};
    return out;
  }

  Status store(const Stored& segment) override {
    const std::int64_t last = segment.states.size(0);
    const at::Tensor keys = unit(segment.states);
    at::Tensor values = keys;
    if (options_.next) { // the last token of a segment then learns nothing
      HS_ASSIGN(const at::Tensor embeddings, reader_.embeddings(segment.tokens));
      values = unit(embeddings).narrow(0, 1, last - 1);
    }
    for (std::int64_t i = 0; i < values.size(0); ++i)
      learn(keys.narrow(0, i, 1), values.narrow(0, i, 1));
    for (std::int64_t i = values.size(0); i < last; ++i)
      surprise_.push_back(0.0);
    values_.push_back(values);
    return {};
  }

  std::vector<double> surprise() const override { return surprise_; }

private:
  // One step for ‖M k − v‖²; key and value [1, d_model].
  void learn(const at::Tensor& key, const at::Tensor& value) {
    if (!matrix_.defined()) {
      matrix_ = at::zeros({value.size(1), key.size(1)}, key.options());
      step_ = at::zeros_like(matrix_);
    }
    const at::Tensor wrong = at::matmul(matrix_, key.t()) - value.t(); // [d_model, 1]
    surprise_.push_back(2.0 * wrong.norm().item<double>());            // keys have length 1
    step_.mul_(options_.eta).addmm_(wrong, key, 1.0, -2.0 * options_.theta);
    matrix_.mul_(1.0 - options_.alpha).add_(step_);
  }

  const Reader& reader_;
  TitansOptions options_;
  at::Tensor matrix_, step_;       // [d_model, d_model]
  std::vector<at::Tensor> values_; // [pos, d_model] of each segment, of length 1
  std::vector<double> surprise_;
};

class Titans : public ContextManager {
public:
  explicit Titans(const mechanisms::OptionValues& values)
      : options_{values.number("theta"), values.number("eta"), values.number("alpha"), values.at("reads"),
                 values.at("values") == 1} {}
  std::unique_ptr<Memory> open(const Reader& reader) const override {
    return std::make_unique<NeuralMemory>(reader, options_);
  }

private:
  TitansOptions options_;
};

} // namespace

extern const ManagerDefinition titans = {
    .info = {.id = "titans",
             .title = "Titans: memory as context",
             .what = "a matrix M learns every token as it is read: a gradient step on ‖M k − v‖² of size `theta`, with "
                     "momentum `eta` and forgetting `alpha`, k its state and v its state or the embedding of the token "
                     "after it, all of length 1. M's answers to the last `reads` states of what asks stand before the "
                     "next segment. Recall: how near the answers come to a value of each segment (cosine)",
             .cost = "O(T L + T d²)",
             .reference = "arXiv 2501.00663 (memory as context); lucidrains/titans-pytorch",
             .equals_full = "a text of one segment",
             .training = "the original trains the projections, the rates of each token, a deeper memory and persistent "
                         "tokens; here the projections are the identity, the rates constants and M linear",
             .options = {{.name = "theta", .value = 0.25, .least = 0.0, .most = 0.5, .help = "size of a step"},
                         {.name = "eta", .value = 0.0, .least = 0.0, .most = 1.0, .help = "momentum"},
                         {.name = "alpha", .value = 0.0, .least = 0.0, .most = 1.0, .help = "forgetting"},
                         {.name = "reads", .value = 16, .least = 1, .help = "answers that stand before a segment"},
                         {.name = "values",
                          .value = 0,
                          .help = "what a state is learned to give: itself, or the embedding of the next token",
                          .choices = {"own", "next"}}}},
    .make = make<Titans>};

} // namespace headscope::contexts
