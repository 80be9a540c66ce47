// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/route.h"

#include <algorithm>
#include <map>

#include <ATen/ATen.h>

#include "core/mechanisms/comparison.h"
#include "core/model/guard.h"

namespace headscope::mechanisms {
namespace {

constexpr std::int64_t rows_tokens_cpu = 4096, rows_tokens_gpu = 65536; // of variants that run together
constexpr std::int64_t logit_bytes = std::int64_t{256} << 20;           // of the logits of one piece

Result<std::shared_ptr<const AttentionPlan>> plan_of(const std::string& spec, const ModelConfig& config,
                                                     const MechanismList& list) {
  if (spec.find('@') != std::string::npos || spec.find(';') != std::string::npos)
    return make_error(ErrorCode::invalid_argument, "a candidate names no place; the route finds it (in '" + spec + "')",
                      {}, "candidates");
  auto plan = AttentionPlan::parse(spec, config, list);
  if (!plan.ok()) return make_error(plan.error().code, plan.error().message, plan.error().file, "candidates");
  if ((*plan)->parts(0).empty())
    return make_error(ErrorCode::invalid_argument, "full attention is what is replaced, so it is no candidate", {},
                      "candidates");
  if (const MechanismInfo& info = *(*plan)->parts(0).front().info; info.heads_compete)
    return make_error(ErrorCode::invalid_argument,
                      std::string("heads of ") + info.id + " depend on each other, so none can be tried alone (in '" +
                          spec + "')",
                      {}, "candidates");
  return plan;
}

// Full attention's predictions of a text, and how far others are from them.
class Reference {
public:
  Reference(const Engine& engine, const std::vector<std::int64_t>& tokens, std::int64_t skip)
      : engine_(engine), tokens_(tokens), skip_(skip) {}

  Status run(const RunControl& control) {
    HS_ASSIGN(full_, run_text(engine_, tokens_, nullptr, control));
    return {};
  }

  // Mean KL(full || own) of rows that end in residuals [row, pos, d_model].
  Result<std::vector<double>> kl(const at::Tensor& resid, const CancelToken& cancel) const {
    const std::int64_t rows = resid.size(0), count = std::ssize(tokens_) - 1;
    const std::int64_t step = std::max<std::int64_t>(1, logit_bytes / (4 * engine_.config().n_logits() * (rows + 1)));
    std::vector<double> sums(static_cast<std::size_t>(rows), 0.0);
    for (std::int64_t begin = skip_; begin < count; begin += step) {
      const std::int64_t some = std::min(step, count - begin);
      HS_ASSIGN(const at::Tensor full, log_probabilities(full_.resid.unsqueeze(0).narrow(1, begin, some), cancel));
      HS_ASSIGN(const at::Tensor own, log_probabilities(resid.narrow(1, begin, some), cancel));
      const at::Tensor kl = (full.exp() * (full - own)).sum({1, 2}, false, at::kDouble).to(at::kCPU);
      for (std::int64_t row = 0; row < rows; ++row)
        sums[static_cast<std::size_t>(row)] += kl[row].item<double>();
    }
    for (double& sum : sums)
      sum /= static_cast<double>(count - skip_);
    return sums;
  }

  Result<double> kl_of(const AttentionPlan& plan, const RunControl& control) const {
    HS_ASSIGN(const TextRun own, run_text(engine_, tokens_, &plan, control));
    HS_ASSIGN(const std::vector<double> kl, this->kl(own.resid.unsqueeze(0), control.cancel));
    return kl.front();
  }

private:
  Result<at::Tensor> log_probabilities(const at::Tensor& resid, const CancelToken& cancel) const {
    HS_ASSIGN(const at::Tensor logits, logits_after(engine_, resid, cancel));
    return logits.to(at::kFloat).log_softmax(-1);
  }

  const Engine& engine_;
  const std::vector<std::int64_t>& tokens_;
  std::int64_t skip_;
  TextRun full_;
};

// Measures every candidate in every head alone. A layer's z is computed once for full attention and once for each
// candidate; the variants, of which each has one head's z replaced, begin behind it.
class SingleHeads {
public:
  SingleHeads(const Engine& engine, const RouteTask& task, const Reference& reference,
              const std::vector<std::shared_ptr<const AttentionPlan>>& plans, const RunControl& control)
      : engine_(engine), task_(task), reference_(reference), plans_(plans), control_(control) {}

  Result<std::vector<CandidateCost>> run() {
    const std::int64_t layers = engine_.config().n_layers, heads = engine_.config().n_heads;
    std::vector<CandidateCost> out(plans_.size());
    for (std::size_t c = 0; c < plans_.size(); ++c)
      HS_TRY(count_keys(plans_[c], out[c]));
    HS_ASSIGN(at::Tensor resid, until(0, {}, nullptr, {}));
    for (int layer = 0; layer < static_cast<int>(layers); ++layer) {
      at::Tensor full;
      HS_ASSIGN(const at::Tensor next, until(layer + 1, resid, nullptr, {layer, &full}));
      for (std::size_t c = 0; c < plans_.size(); ++c) {
        at::Tensor z;
        HS_TRY(until(layer + 1, resid, plans_[c].get(), {layer, &z}));
        for (std::int64_t head = 0; head < heads;) {
          const std::int64_t count = std::min(heads - head, rows_together());
          HS_TRY(measure(layer, resid, full, z, head, count, out[c]));
          head += count;
          done_ += count;
          control_.report("trying mechanisms in single heads", done_,
                          layers * heads * static_cast<std::int64_t>(plans_.size()));
        }
      }
      resid = next;
    }
    return out;
  }

private:
  struct Capture {
    int layer = -1;
    at::Tensor* z = nullptr;
  };

  // Runs from the residual before a layer (undefined: from the tokens) to before `end`.
  Result<at::Tensor> until(int end, const at::Tensor& resid, const AttentionBackend* attention, Capture capture) const {
    RunRequest request;
    request.batch = TokenBatch::single(task_.tokens);
    if (resid.defined()) request.rows = {RowGroup::from_residual(end - 1, resid)};
    request.until = BeforeLayer{end};
    request.attention = attention ? attention : &default_attention();
    request.cancel = control_.cancel;
    if (capture.z) request.capture = {{HookPoint::z, capture.layer}};
    HS_ASSIGN(const RunResult result, engine_.run(request));
    if (capture.z) {
      HS_ASSIGN(*capture.z, result.cache.get({HookPoint::z, capture.layer}));
    }
    return result.resid;
  }

  std::int64_t rows_together() const {
    const std::int64_t budget = engine_.model().device.is_cuda() ? rows_tokens_gpu : rows_tokens_cpu;
    return std::max<std::int64_t>(1, budget / std::ssize(task_.tokens));
  }

  Status measure(int layer, const at::Tensor& resid, const at::Tensor& full, const at::Tensor& z, std::int64_t first,
                 std::int64_t count, CandidateCost& out) const {
    at::Tensor rows = full.repeat({count, 1, 1, 1});
    for (std::int64_t i = 0; i < count; ++i)
      rows[i].select(1, first + i).copy_(z[0].select(1, first + i));
    RunRequest request;
    request.batch.tokens = at::tensor(task_.tokens, at::kLong).unsqueeze(0).repeat({count, 1});
    request.rows = {RowGroup::from_residual(layer, RowGroup::Residual{resid.repeat({count, 1, 1}), rows})};
    request.until = BeforeLayer{static_cast<int>(engine_.config().n_layers)};
    request.attention = &default_attention();
    request.cancel = control_.cancel;
    HS_ASSIGN(const RunResult result, engine_.run(request));
    HS_ASSIGN(const std::vector<double> kl, reference_.kl(result.resid, control_.cancel));
    out.kl.insert(out.kl.end(), kl.begin(), kl.end());
    return {};
  }

  Status count_keys(const std::shared_ptr<const AttentionPlan>& plan, CandidateCost& out) const {
    const auto tokens = static_cast<double>(task_.tokens.size()), skip = static_cast<double>(task_.skip);
    HS_ASSIGN(const HeadMeasures measures, measure_heads(engine_, task_.tokens, plan, task_.skip, control_));
    const double all = (tokens + skip + 1.0) / 2.0; // mean keys of full attention's queries from `skip` on
    for (const double keys : measures.keys)
      out.keys.push_back(keys / all);
    return {};
  }

  const Engine& engine_;
  const RouteTask& task_;
  const Reference& reference_;
  const std::vector<std::shared_ptr<const AttentionPlan>>& plans_;
  const RunControl& control_;
  std::int64_t done_ = 0;
};

// The plan in which the first `count` changes are made.
std::vector<int> choice_after(const std::vector<RouteChange>& changes, std::int64_t count, std::size_t heads) {
  std::vector<int> choice(heads, -1);
  for (std::int64_t i = 0; i < count; ++i)
    choice[changes[static_cast<std::size_t>(i)].head] = changes[static_cast<std::size_t>(i)].to;
  return choice;
}

std::string plan_text(const std::vector<int>& choice, const std::vector<std::string>& candidates,
                      std::int64_t n_heads) {
  std::string text;
  for (std::size_t c = 0; c < candidates.size(); ++c) {
    const char* between = "@heads=";
    for (std::int64_t i = 0; i < std::ssize(choice); ++i) {
      if (choice[static_cast<std::size_t>(i)] != static_cast<int>(c)) continue;
      if (*between == '@') text.append(text.empty() ? "" : ";").append(candidates[c]);
      text.append(between).append(head_name(HeadId{static_cast<int>(i / n_heads), i % n_heads}));
      between = ",";
    }
  }
  return text.empty() ? "full" : text;
}

// Measures plans along the ordered changes.
class Path {
public:
  Path(const Engine& engine, const RouteTask& task, const Route& route, const Reference& chosen_by,
       const Reference& held_out, const RunControl& control)
      : engine_(engine), task_(task), route_(route), chosen_by_(chosen_by), held_out_(held_out), control_(control),
        changes_(ordered_changes(route.candidates)) {}

  std::int64_t changes() const { return std::ssize(changes_); }
  std::vector<int> choice(std::int64_t count) const {
    return choice_after(changes_, count, route_.candidates.front().kl.size());
  }
  std::string plan(std::int64_t count) const {
    return plan_text(choice(count), task_.candidates, engine_.config().n_heads);
  }

  Result<RoutePoint> at(std::int64_t count) {
    if (const auto known = points_.find(count); known != points_.end()) return known->second;
    RoutePoint point;
    point.changes = count;
    const std::vector<int> chosen = choice(count);
    double keys = 0.0;
    for (std::size_t i = 0; i < chosen.size(); ++i)
      keys += chosen[i] < 0 ? 1.0 : route_.candidates[static_cast<std::size_t>(chosen[i])].keys[i];
    point.keys = keys / static_cast<double>(chosen.size());
    if (count > 0) {
      HS_ASSIGN(const auto plan, AttentionPlan::parse(this->plan(count), engine_.config(), task_.mechanisms));
      HS_ASSIGN(point.kl, chosen_by_.kl_of(*plan, control_));
      HS_ASSIGN(point.held_out_kl, held_out_.kl_of(*plan, control_));
    }
    control_.report("measuring plans", std::ssize(points_) + 1, 12);
    return points_[count] = point;
  }

  std::vector<RoutePoint> points() const {
    std::vector<RoutePoint> out;
    for (const auto& [count, point] : points_)
      out.push_back(point);
    return out;
  }

private:
  const Engine& engine_;
  const RouteTask& task_;
  const Route& route_;
  const Reference &chosen_by_, &held_out_;
  const RunControl& control_;
  std::vector<RouteChange> changes_;
  std::map<std::int64_t, RoutePoint> points_; // by the number of changes
};

// The most changes that stay within the budget, by halving: KL grows along the path, apart from small steps back.
Result<RoutePoint> within_budget(Path& path, double budget) {
  HS_ASSIGN(RoutePoint best, path.at(0));
  std::int64_t low = 0, high = path.changes() + 1; // high is beyond the budget, or beyond all changes
  while (high - low > 1) {
    const std::int64_t middle = std::min(low + (high - low) / 2, path.changes());
    HS_ASSIGN(const RoutePoint point, path.at(middle));
    if (point.kl <= budget) {
      best = point;
      low = middle;
    } else {
      high = middle;
    }
  }
  return best;
}

} // namespace

std::vector<RouteChange> ordered_changes(const std::vector<CandidateCost>& candidates) {
  std::vector<RouteChange> all;
  for (std::size_t head = 0; !candidates.empty() && head < candidates.front().kl.size(); ++head) {
    double kl = 0.0, keys = 1.0;
    while (true) { // the next change is the one with the lowest price for what it saves
      RouteChange best;
      double price = 0.0;
      for (std::size_t c = 0; c < candidates.size(); ++c) {
        const double saved = keys - candidates[c].keys[head], more = candidates[c].kl[head] - kl;
        if (saved <= 1e-9) continue;
        if (best.to >= 0 && more / saved >= price) continue;
        best = {head, static_cast<int>(c), more, saved};
        price = more / saved;
      }
      if (best.to < 0) break;
      kl = candidates[static_cast<std::size_t>(best.to)].kl[head];
      keys = candidates[static_cast<std::size_t>(best.to)].keys[head];
      all.push_back(best);
    }
  }
  // Stable, so that the changes of a head, whose prices rise, keep their order.
  std::stable_sort(all.begin(), all.end(),
                   [](const RouteChange& a, const RouteChange& b) { return a.kl / a.saved < b.kl / b.saved; });
  return all;
}

Result<Route> find_route(const Engine& engine, const RouteTask& task, const RunControl& control) {
  return guarded("finding a route", [&]() -> Result<Route> {
    std::vector<std::shared_ptr<const AttentionPlan>> plans;
    for (const std::string& spec : task.candidates) {
      HS_ASSIGN(auto plan, plan_of(spec, engine.config(), task.mechanisms));
      plans.push_back(std::move(plan));
    }
    Reference chosen_by(engine, task.tokens, task.skip), held_out(engine, task.held_out, task.skip);
    HS_TRY(chosen_by.run(control));
    HS_TRY(held_out.run(control));
    Route route;
    HS_ASSIGN(route.candidates, SingleHeads(engine, task, chosen_by, plans, control).run());
    Path path(engine, task, route, chosen_by, held_out, control);
    HS_ASSIGN(route.chosen, within_budget(path, task.budget));
    for (const int quarter : {1, 2, 3, 4}) // the rest of the trade-off
      HS_TRY(path.at(path.changes() * quarter / 4));
    route.curve = path.points();
    route.choice = path.choice(route.chosen.changes);
    route.plan = path.plan(route.chosen.changes);
    return route;
  });
}

} // namespace headscope::mechanisms
