// SPDX-License-Identifier: GPL-3.0-or-later
// Titans' memory with one matrix, on a head's own keys and values: it learns v from k while it reads, and answers q.
#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "core/mechanisms/explain.h"
#include "core/mechanisms/mechanism.h"

namespace headscope::mechanisms {
namespace {

struct TitansOptions {
  double theta, eta, alpha;
  bool normed;
};

at::Tensor direction(const at::Tensor& x, bool normed) {
  const at::Tensor wide = x.to(at::kFloat);
  return normed ? wide / wide.norm(2, {-1}, true).clamp_min(1e-12) : wide;
}

Vector plain_direction(const Vector& x, bool normed) {
  Vector out = x;
  const double size = normed ? std::max(std::sqrt(dot(x, x)), 1e-12) : 1.0;
  for (double& value : out)
    value /= size;
  return out;
}

// A memory whose step is the gradient of ‖M k − v‖², with momentum and forgetting. It is linear in what it is told, so
// the same steps on unit vectors in place of v give the weights of a pattern.
class Memory {
public:
  // `width`: of what is told; matrices are [head, width, d_head].
  Memory(const at::Tensor& k, std::int64_t width, const TitansOptions& options)
      : k_(direction(k, options.normed)), options_(options),
        matrix_(at::zeros({k.size(0), width, k.size(2)}, k_.options())), step_(at::zeros_like(matrix_)) {}

  // Learns what belongs to the key at a position, [head, width, 1].
  void learn(std::int64_t position, const at::Tensor& told) {
    const at::Tensor key = k_.narrow(1, position, 1); // [head, 1, d_head]
    step_ = options_.eta * step_ - (2.0 * options_.theta) * at::matmul(wrong(position, told), key);
    matrix_ = (1.0 - options_.alpha) * matrix_ + step_;
  }
  // What is still wrong about the key at a position: [head, width, 1].
  at::Tensor wrong(std::int64_t position, const at::Tensor& told) const {
    return at::matmul(matrix_, k_.narrow(1, position, 1).transpose(1, 2)) - told;
  }
  const at::Tensor& keys() const { return k_; } // as they are learned [head, pos, d_head]
  // What is remembered for a query [head, 1, d_head]: [head, width, 1].
  at::Tensor recall(const at::Tensor& query) const { return at::matmul(matrix_, query.transpose(1, 2)); }

private:
  at::Tensor k_;
  TitansOptions options_;
  at::Tensor matrix_, step_;
};

class Titans : public Mechanism {
public:
  explicit Titans(const OptionValues& values)
      : options_{values.number("theta"), values.number("eta"), values.number("alpha"), values.at("keys") == 0} {}

  TileFunction open(const Text& text) const override {
    return [&text, this](Range queries) {
      const std::int64_t keys = queries.end;
      Memory memory(text.k, keys, options_);
      const at::Tensor units = at::eye(keys, text.q.options().dtype(at::kFloat));
      std::vector<at::Tensor> rows;
      for (std::int64_t i = 0; i < keys; ++i) {
        memory.learn(i, units.narrow(1, i, 1).unsqueeze(0));
        if (i >= queries.begin) rows.push_back(memory.recall(query(text, i)).squeeze(2));
      }
      return Tile{at::stack(rows, 1), {{0, keys}}, {}, true, {}};
    };
  }

  OutputFunction open_output(const Text& text) const override {
    return [&text, this](Range queries) {
      Memory memory(text.k, text.v.size(2), options_);
      std::vector<at::Tensor> z;
      for (std::int64_t i = 0; i < queries.end; ++i) {
        memory.learn(i, text.v.narrow(1, i, 1).transpose(1, 2).to(at::kFloat));
        if (i < queries.begin) continue;
        z.push_back(memory.recall(query(text, i)).squeeze(2));
        if (text.cost) { // every query reads the matrix, in float32
          text.cost->attended += text.heads() * (i + 1);
          text.cost->bytes += 4 * text.heads() * text.k.size(2) * text.v.size(2);
        }
      }
      return at::stack(z, 1).to(text.v.scalar_type());
    };
  }

  // How wrong the memory is about each token before it learns it, and what is left of it at the end of the text.
  std::vector<Explanation> explain(const Text& text, std::int64_t head) const override {
    const Text one = of_head(text, head);
    const at::Tensor v = one.v.to(at::kFloat);
    const auto told = [&](std::int64_t i) { return v.narrow(1, i, 1).transpose(1, 2); };
    Memory memory(one.k, v.size(2), options_);
    Explanation surprise, recall;
    surprise.kind = recall.kind = ExplanationKind::numbers;
    surprise.title = "Surprise: the gradient of ‖M k − v‖² before the token is learned";
    surprise.values.emplace_back();
    for (std::int64_t i = 0; i < one.keys(); ++i) {
      const at::Tensor key = memory.keys().narrow(1, i, 1);
      surprise.values.front().push_back(
          2.0 * (memory.wrong(i, told(i)).norm() * key.norm()).item<double>()); // the gradient is 2 wrong kᵀ
      memory.learn(i, told(i));
    }
    recall.title = "Recall: cosine of M k and v at the end of the text";
    recall.by_distance = true;
    recall.values.emplace_back();
    for (std::int64_t i = one.keys() - 1; i >= 0; --i) {
      const at::Tensor found = memory.recall(memory.keys().narrow(1, i, 1)).flatten();
      recall.values.front().push_back(at::cosine_similarity(found, told(i).flatten(), 0).item<double>());
    }
    return {surprise, recall};
  }

  Rows reference(const PlainHead& head) const override {
    const auto tokens = static_cast<std::size_t>(head.tokens());
    const std::size_t d = head.k.front().size();
    Rows matrix(tokens, Vector(d, 0.0)), step = matrix, pattern;
    for (std::size_t t = 0; t < tokens; ++t) {
      const Vector key = plain_direction(head.k[t], options_.normed);
      for (std::size_t j = 0; j < tokens; ++j) {
        const double wrong = dot(matrix[j], key) - (j == t ? 1.0 : 0.0);
        for (std::size_t e = 0; e < d; ++e)
          step[j][e] = options_.eta * step[j][e] - 2.0 * options_.theta * wrong * key[e];
      }
      Vector row;
      const Vector asked = plain_direction(head.q[t], options_.normed);
      for (std::size_t j = 0; j < tokens; ++j) {
        for (std::size_t e = 0; e < d; ++e)
          matrix[j][e] = (1.0 - options_.alpha) * matrix[j][e] + step[j][e];
        row.push_back(dot(matrix[j], asked));
      }
      pattern.push_back(row);
    }
    return pattern;
  }

private:
  at::Tensor query(const Text& text, std::int64_t position) const {
    return direction(take_queries(text, text.q, {position, position + 1}), options_.normed);
  }

  TitansOptions options_;
};

} // namespace

extern const MechanismDefinition titans = {
    .info = {.id = "titans",
             .title = "Titans: a memory that learns while it reads",
             .what = "a matrix M for each head: at every token a gradient step on ‖M k − v‖² of size `theta`, with "
                     "momentum `eta` and forgetting `alpha`; z = M q. keys=normed: k and q have length 1. The model's "
                     "own window is not applied",
             .cost = "O(T d²)",
             .reference = "arXiv 2501.00663; lucidrains/titans-pytorch",
             .equals_full =
                 "never; with eta = alpha = 0, theta = ½ and orthonormal keys it is linear attention, M = Σ v kᵀ",
             .training = "the original's rates come from trained projections of each token; here they are constants",
             .weights = Weights::signed_,
             .drop_in = false,
             .options = {{.name = "theta", .value = 0.25, .least = 0.0, .most = 1.0, .help = "size of a step"},
                         {.name = "eta", .value = 0.0, .least = 0.0, .most = 1.0, .help = "momentum"},
                         {.name = "alpha", .value = 0.0, .least = 0.0, .most = 1.0, .help = "forgetting"},
                         {.name = "keys", .value = 0, .help = "length of k and q", .choices = {"normed", "plain"}}}},
    .make = make<Titans>};

} // namespace headscope::mechanisms
