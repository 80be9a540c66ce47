// SPDX-License-Identifier: GPL-3.0-or-later
// Mixture of heads: a token uses some of a layer's heads, and the others give nothing for it.
#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "core/mechanisms/explain.h"
#include "core/mechanisms/mechanism.h"

namespace headscope::mechanisms {
namespace {

class Moh : public Mechanism {
public:
  explicit Moh(const OptionValues& options)
      : oracle_(options.at("router") == 1), shared_(options.at("shared")), top_(options.at("top")) {}

  TileFunction open(const Text& text) const override {
    return [&text, this](Range queries) {
      Tile tile = scores_of_all(text, queries);
      tile.gate = [&text, this, queries](const at::Tensor& z) {
        if (!oracle_) return chosen(take_queries(text, text.q, queries).to(at::kFloat).norm(2, {-1}));
        return chosen(at::matmul(z.to(at::kFloat), text.w_o.to(at::kFloat)).norm(2, {-1}));
      };
      return tile;
    };
  }

  // The heads that take part, whichever is asked for.
  std::vector<Explanation> explain(const Text& text, std::int64_t) const override {
    std::vector<at::Tensor> gates;
    const TileFunction tile = open(text);
    for (std::int64_t begin = 0; begin < text.keys(); begin += 256) {
      const Tile some = tile({begin, std::min(begin + 256, text.keys())});
      gates.push_back(some.gate(at::matmul(weights_of(some), values_of(some, text.v).to(at::kFloat))));
    }
    const at::Tensor all = at::cat(gates, 1); // [head, query]
    Explanation out;
    out.kind = ExplanationKind::numbers;
    out.title = "Gates: the heads that a token uses";
    for (std::int64_t head = 0; head < all.size(0); ++head) {
      out.values.push_back(numbers_of(all[head]));
      const std::int64_t index = text.heads_are.empty() ? head : text.heads_are[static_cast<std::size_t>(head)];
      out.rows.push_back(std::to_string(text.layer) + "." + std::to_string(index));
    }
    return {out};
  }

  Rows reference(const PlainHead& head) const override { return references({head}).front(); }

  std::vector<Rows> references(const std::vector<PlainHead>& heads) const override {
    std::vector<Rows> patterns;
    for (const PlainHead& head : heads)
      patterns.push_back(softmax_over(head, [](std::int64_t, std::int64_t) { return true; }));
    for (std::size_t i = 0; i < patterns.front().size(); ++i) {
      Vector sizes;
      for (std::size_t h = static_cast<std::size_t>(shared_); h < heads.size(); ++h)
        sizes.push_back(oracle_ ? result_norm(heads[h], patterns[h][i]) : std::sqrt(dot(heads[h].q[i], heads[h].q[i])));
      const std::vector<std::int64_t> best = largest(sizes, top_);
      for (std::size_t h = static_cast<std::size_t>(shared_); h < heads.size(); ++h)
        if (std::find(best.begin(), best.end(), static_cast<std::int64_t>(h) - shared_) == best.end())
          patterns[h][i].assign(patterns[h][i].size(), 0.0);
    }
    return patterns;
  }

private:
  // 1 for the shared heads and the `top` others with the largest sizes [head, query], else 0.
  at::Tensor chosen(const at::Tensor& sizes) const {
    const std::int64_t heads = sizes.size(0), routed = heads - shared_;
    if (routed <= top_) return at::ones_like(sizes);
    const at::Tensor best = std::get<1>(sizes.narrow(0, shared_, routed).detach().topk(top_, 0));
    const at::Tensor gates = at::zeros({routed, sizes.size(1)}, sizes.options()).scatter(0, best, 1.0);
    return at::cat({at::ones({shared_, sizes.size(1)}, sizes.options()), gates});
  }

  // ‖W_O z‖ of a head by its pattern.
  static double result_norm(const PlainHead& head, const Vector& weights) {
    Vector z(head.v.front().size(), 0.0), out(head.w_o.front().size(), 0.0);
    for (std::size_t j = 0; j < weights.size(); ++j)
      for (std::size_t e = 0; e < z.size(); ++e)
        z[e] += weights[j] * head.v[j][e];
    for (std::size_t e = 0; e < z.size(); ++e)
      for (std::size_t d = 0; d < out.size(); ++d)
        out[d] += z[e] * head.w_o[e][d];
    return std::sqrt(dot(out, out));
  }

  bool oracle_;
  std::int64_t shared_, top_;
};

} // namespace

extern const MechanismDefinition moh = {
    .info = {.id = "moh",
             .title = "mixture of heads",
             .what = "full attention in the first `shared` heads and, for each token, in the `top` others with the "
                     "largest router value; z of the rest is 0. router=norm: the norm of q; router=oracle: of what "
                     "the head would add to the residual stream, W_O z. Only heads that the spec names take part",
             .cost = "O(T²): nothing is saved on keys and values",
             .reference = "arXiv 2410.11842; SkyworkAI/MoH, the LLaMA3 form",
             .equals_full = "shared + top ≥ heads",
             .training = "the original goes on training; without it routing by norm is worse than random heads, so "
                         "it is an analysis. oracle shows how many heads a token needs",
             .weights = Weights::positive,
             .drop_in = false,
             .heads_compete = true,
             .options = {{.name = "router", .value = 0, .help = "what ranks heads", .choices = {"norm", "oracle"}},
                         {.name = "shared", .value = 0, .least = 0, .help = "first heads, which always attend"},
                         {.name = "top", .value = 4, .least = 0, .help = "others of a token"}}},
    .make = make<Moh>};

} // namespace headscope::mechanisms
