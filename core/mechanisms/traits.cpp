// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/traits.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/ATen.h>

#include "core/mechanisms/plan.h"
#include "core/mechanisms/spec.h"
#include "core/model/guard.h"

namespace headscope::mechanisms {
namespace {

at::Tensor on_cpu(const at::Tensor& x) { return x.to(at::kCPU, at::kDouble); }

// The share of the variance of `wanted` [head, query, d] around its mean that `found` explains, [head].
at::Tensor explained(const at::Tensor& wanted, const at::Tensor& found) {
  const at::Tensor off = (wanted - found).pow(2).sum({1, 2}), all = (wanted - wanted.mean(1, true)).pow(2).sum({1, 2});
  return on_cpu(1.0 - off / all.clamp_min(1e-30));
}

// The whole pattern of a mechanism on a text, [head, query, key].
at::Tensor pattern_by(const std::string& spec, const Text& text) {
  const auto mechanism = parse_specs(spec, MechanismList::built_in()).value().front().mechanism;
  const Tile tile = mechanism->open(text)({0, text.keys()});
  return over_all_keys(weights_of(tile), tile, text.keys(), 0.0);
}

// Attends fully, and measures what passes.
class Measure : public LayeredAttention {
public:
  Measure(const ModelConfig& config, const TraitOptions& options, HeadTraits& out)
      : config_(config), options_(options), out_(out) {}

  const char* name() const override { return "traits"; }
  LayerNeeds needs(int) const override {
    LayerNeeds needs;
    needs.mechanism = "traits";
    needs.queries = QueryScope::beside;
    needs.before_rotary = true;
    return needs;
  }

  at::Tensor run_rows(const AttentionInput& in, const AttentionRows& rows) const override {
    std::vector<std::int64_t> heads(static_cast<std::size_t>(config_.n_heads));
    std::iota(heads.begin(), heads.end(), 0);
    add(row_text(in, rows, 0, heads).text);
    return default_attention().run(in);
  }

private:
  void add(const Text& text) const {
    const auto queries = [&](const at::Tensor& x) { return x.narrow(1, options_.skip, x.size(1) - options_.skip); };
    const at::Tensor v = text.v.to(at::kFloat);
    const at::Tensor pattern = pattern_by("full", text), z = queries(at::matmul(pattern, v));
    const auto append = [](std::vector<double>& to, const at::Tensor& values) {
      const at::Tensor flat = values.to(at::kCPU, at::kDouble).contiguous().flatten();
      to.insert(to.end(), flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel());
    };
    append(out_.state_rank, state_rank(pattern, options_.tolerance));
    const Decay decay = fit_decay(queries(pattern));
    append(out_.decay, decay.gamma);
    append(out_.decay_r2, decay.r2);
    append(out_.keys, keys_holding(queries(pattern), options_.keep));
    append(out_.query_r2, explained(z, queries(at::matmul(pattern_by("aaren", text), v))));
    append(out_.score_rank, score_rank(text, z, v));
    const Learned learned = learn(text, options_.theta);
    append(out_.surprise, learned.surprise);
    append(out_.recall, learned.recall);
  }

  // The least rank at which ‖z − z_r‖ ≤ (1 − keep) ‖z‖, by halving for all heads together.
  at::Tensor score_rank(const Text& text, const at::Tensor& z, const at::Tensor& v) const {
    const std::int64_t heads = text.heads(), d = text.q.size(2);
    std::vector<std::int64_t> low(static_cast<std::size_t>(heads), 0), high(static_cast<std::size_t>(heads), d);
    std::vector<std::vector<double>> error(static_cast<std::size_t>(d) + 1); // of each rank tried, by head
    const auto at_rank = [&](std::int64_t rank) -> const std::vector<double>& {
      std::vector<double>& known = error[static_cast<std::size_t>(rank)];
      if (!known.empty()) return known;
      const at::Tensor own = at::matmul(pattern_by("lowrank:rank=" + std::to_string(rank), text), v);
      const at::Tensor off = own.narrow(1, options_.skip, z.size(1)) - z;
      const at::Tensor share = on_cpu(off.norm(2, {1, 2}) / z.norm(2, {1, 2}).clamp_min(1e-30)).contiguous();
      known.assign(share.const_data_ptr<double>(), share.const_data_ptr<double>() + heads);
      return known;
    };
    at::Tensor found = at::empty({heads}, at::kDouble);
    for (std::size_t head = 0; head < low.size(); ++head) {
      while (high[head] > low[head]) {
        const std::int64_t middle = (low[head] + high[head]) / 2;
        const bool enough = at_rank(middle)[head] <= 1.0 - options_.keep;
        (enough ? high : low)[head] = enough ? middle : middle + 1;
      }
      found[static_cast<std::int64_t>(head)] = static_cast<double>(high[head]);
    }
    return found;
  }

  const ModelConfig& config_;
  TraitOptions options_;
  HeadTraits& out_; // of one run on the engine's thread
};

} // namespace

Learned learn(const Text& text, double theta) {
  const at::Tensor k = text.k.to(at::kFloat) / text.k.to(at::kFloat).norm(2, {-1}, true).clamp_min(1e-12);
  const at::Tensor v = text.v.to(at::kFloat);
  at::Tensor memory = at::zeros({k.size(0), v.size(2), k.size(2)}, k.options());
  std::vector<at::Tensor> surprise;
  for (std::int64_t i = 0; i < k.size(1); ++i) {
    const at::Tensor key = k.narrow(1, i, 1);
    const at::Tensor wrong = at::matmul(memory, key.transpose(1, 2)) - v.narrow(1, i, 1).transpose(1, 2);
    surprise.push_back(2.0 * wrong.norm(2, {1, 2})); // the gradient is 2 wrong kᵀ, and k has length 1
    memory = memory - (2.0 * theta) * at::matmul(wrong, key);
  }
  const at::Tensor found = at::matmul(k, memory.transpose(1, 2)); // [head, pos, d]
  const at::Tensor cosine = at::cosine_similarity(found, v, -1);
  return {on_cpu(at::stack(surprise, 1)), on_cpu(cosine.flip(1))};
}

at::Tensor state_rank(const at::Tensor& pattern, double tolerance) {
  const std::int64_t tokens = pattern.size(1);
  at::Tensor largest = at::zeros({pattern.size(0)}, at::kDouble);
  for (const std::int64_t eighth : {1, 2, 3, 4, 5, 6, 7}) {
    const std::int64_t cut = tokens * eighth / 8;
    if (cut < 1 || cut >= tokens) continue;
    const at::Tensor block = pattern.narrow(1, cut, tokens - cut).narrow(2, 0, cut);
    const at::Tensor values = on_cpu(at::linalg_svdvals(block.to(at::kCPU, at::kFloat)));
    const at::Tensor top = std::get<0>(values.max(1, true));
    // A block without weight needs no state.
    const at::Tensor rank = (values > tolerance * top).logical_and(top > 1e-6).sum(1).to(at::kDouble);
    largest = at::maximum(largest, rank);
  }
  return largest;
}

Decay fit_decay(const at::Tensor& pattern) {
  const std::int64_t queries = pattern.size(1), keys = pattern.size(2), first = keys - queries;
  std::vector<at::Tensor> means;
  for (std::int64_t distance = 0; distance < keys; ++distance)
    means.push_back(pattern.diagonal(first - distance, 1, 2).mean(1)); // over the queries that have such a key
  const at::Tensor mass = on_cpu(at::stack(means, 1));                 // [head, distance]
  const at::Tensor distance = at::arange(keys, at::kDouble);
  const at::Tensor all = (mass - mass.mean(1, true)).pow(2).sum(1).clamp_min(1e-300);
  Decay best{at::zeros({mass.size(0)}, at::kDouble), at::full({mass.size(0)}, -1.0, at::kDouble)};
  const auto consider = [&](const at::Tensor& gamma) { // [head]
    const at::Tensor shape = gamma.clamp_min(1e-12).unsqueeze(1).pow(distance);
    const at::Tensor scale = (shape * mass).sum(1, true) / shape.pow(2).sum(1, true);
    const at::Tensor r2 = 1.0 - (mass - scale * shape).pow(2).sum(1) / all;
    const at::Tensor better = r2 > best.r2;
    best.gamma = at::where(better, gamma, best.gamma);
    best.r2 = at::where(better, r2, best.r2);
  };
  for (int i = 0; i <= 200; ++i) // half-lives from a fraction of a token to many times the text
    consider(at::full({mass.size(0)}, std::exp2(-std::exp2(3.0 - 0.08 * i)), at::kDouble));
  for (double step = 0.04; step > 1e-6; step /= 2.0) { // around the best, in the same measure
    const at::Tensor place = (-best.gamma.log2()).log2();
    for (const double sign : {-1.0, 1.0})
      consider(at::exp2(-at::exp2(place + sign * step)));
  }
  return best;
}

at::Tensor keys_holding(const at::Tensor& pattern, double share) {
  const at::Tensor sorted = std::get<0>(pattern.sort(-1, /*descending=*/true)).to(at::kDouble);
  const at::Tensor before = sorted.cumsum(-1) - sorted;
  return on_cpu((before < share * sorted.sum(-1, true)).sum(-1).to(at::kDouble).mean(1));
}

Result<HeadTraits> measure_traits(const Engine& engine, const std::vector<std::int64_t>& tokens,
                                  const TraitOptions& options, const RunControl& control) {
  if (options.skip < 0 || options.skip + 2 > std::ssize(tokens))
    return make_error(ErrorCode::invalid_argument, "leaves fewer than two queries", {}, "skip");
  HeadTraits traits;
  const Measure measure(engine.config(), options, traits);
  const std::int64_t layers = engine.config().n_layers;
  RunRequest request;
  request.batch = TokenBatch::single(tokens);
  request.until = BeforeLayer{static_cast<int>(layers)};
  request.attention = &measure;
  request.cancel = control.cancel;
  std::int64_t done = 0;
  for (int layer = 0; layer < static_cast<int>(layers); ++layer)
    request.hooks.push_back({{HookPoint::z, layer}, [&](HookSite, at::Tensor z) {
                               control.report("measuring heads", ++done, layers);
                               return z;
                             }});
  HS_TRY(engine.run(request));
  return traits;
}

} // namespace headscope::mechanisms
