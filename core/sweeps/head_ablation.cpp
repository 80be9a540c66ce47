// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/sweeps/head_ablation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <limits>
#include <numeric>
#include <set>
#include <sstream>

#include <ATen/ATen.h>

#include "core/engine/device.h"
#include "core/engine/finite_logits.h"
#include "core/model/guard.h"
#include "core/sweeps/ablation_plan.h"
#include "core/sweeps/ablation_source.h"

namespace headscope {
namespace {

// A whole run takes seconds on the CPU. The first is smaller by this factor and each is twice the one before, so that a
// sweep interrupted early has measured something.
constexpr std::int64_t first_run_share = 16;

// One sweep. Cancelling arrives as an error from the engine and ends the sweep with what has been measured.
class Sweep {
public:
  Sweep(const Engine& engine, const HeadAblationOptions& options, const AblationPlan& plan, AblationSource& source,
        const RunControl& control, const HeadAblationCallback& callback, HeadAblationResult& result)
      : engine_(engine), options_(options), plan_(plan), source_(source), control_(control), callback_(callback),
        result_(result), budget_(tokens_per_run(options.tokens_per_run, engine)),
        run_tokens_(engine.model().device.is_cuda() ? budget_ : std::max<std::int64_t>(1, budget_ / first_run_share)) {}

  Status run() {
    const bool decode = options_.phase == Phase::decode;
    for (const auto& chunk : chunk_rows(plan_.prompts, plan_.most_heads, budget_, decode)) {
      begin_chunk(chunk);
      const Status status = decode ? decode_chunk() : restart_chunk();
      if (!status.ok()) {
        if (was_cancelled(status.error())) HS_TRY(keep_measured()); // what is done is not lost
        return status;
      }
    }
    return {};
  }

private:
  void begin_chunk(const std::vector<std::int64_t>& chunk) {
    chunk_ = chunk;
    rows_ = select_rows(plan_.prompts, chunk);
    clean_.reset();
    judge_ = Judge{options_.metric, {}, {}};
    for (const std::int64_t prompt : chunk)
      judge_.answers.push_back(plan_.answers[static_cast<std::size_t>(prompt)]);
    source_.begin_chunk(chunk);
  }

  // Runs the clean prompts together with the waiting variants, and keeps the activations that sweeps restart from.
  Status run_clean(const std::vector<int>& kept) {
    HS_ASSIGN(CleanRows clean, CleanRows::run(engine_, rows_, kept, options_.method != AblationMethod::uniform,
                                              waiting_, control_.cancel));
    clean_.emplace(std::move(clean));
    if (needs_reference(options_.metric)) judge_.reference = clean_->logits();
    std::vector<std::int64_t> slots(rows_.size());
    std::iota(slots.begin(), slots.end(), 0);
    HS_ASSIGN(const at::Tensor of_clean, judge_.measure(clean_->logits(), slots));
    const at::Tensor finite = at::isfinite(clean_->logits()).all().to(at::kDouble).view({1});
    std::vector<at::Tensor> values = {finite, of_clean};
    if (!places_.empty()) {
      slots.clear();
      for (const QueuedCell& place : places_)
        slots.push_back(static_cast<std::int64_t>(place.slot));
      HS_ASSIGN(values.emplace_back(), judge_.measure(clean_->logits_along(), slots));
    }
    queue(at::cat(values), true);
    return {};
  }

  std::int64_t length(std::size_t slot) const { return static_cast<std::int64_t>(rows_[slot].size()); }

  Status restart_chunk() {
    for (std::size_t l = 0; l < plan_.layers.size(); ++l) {
      const int layer = plan_.layers[l];
      // Variants that restart at the last block need only its last position, as long as no others pass through it.
      if (clean_ && layer + 1 == engine_.config().n_layers) HS_TRY(measure_waiting(l));
      HS_TRY(source_.begin_layer(layer));
      for (std::size_t slot = 0; slot < rows_.size(); ++slot)
        for (const std::int64_t head : plan_.heads[l]) {
          HS_TRY(wait_at(layer));
          waiting_.back().variants.push_back(
              {static_cast<std::int64_t>(slot), source_.intervention(slot, length(slot), {layer, head})});
          places_.push_back({slot, layer, head});
          if (std::ssize(places_) >= room()) HS_TRY(measure_waiting(l));
        }
    }
    HS_TRY(measure_waiting(plan_.layers.size()));
    return keep_measured();
  }

  // Prepares to collect variants of this layer.
  Status wait_at(int layer) {
    if (!waiting_.empty() && waiting_.back().layer == layer) return {};
    LayerVariants next{layer, {}, {}};
    if (clean_) {
      HS_ASSIGN(next.from, clean_->at(layer));
    }
    waiting_.push_back(std::move(next));
    return {};
  }

  // How many variants fit into the next run; the first run also has the clean prompts.
  std::int64_t room() const {
    std::int64_t longest = 1;
    for (std::size_t slot = 0; slot < rows_.size(); ++slot)
      longest = std::max(longest, length(slot));
    const std::int64_t rows = std::min(run_tokens_, budget_) / longest;
    return std::max<std::int64_t>(1, clean_ ? rows : rows - std::ssize(rows_));
  }

  // `next` indexes the plan's layers: more variants may follow from that one on.
  Status measure_waiting(std::size_t next) {
    if (places_.empty()) return {};
    if (!clean_) {
      HS_TRY(run_clean({plan_.layers.begin() + static_cast<std::ptrdiff_t>(next), plan_.layers.end()}));
    } else {
      HS_ASSIGN(const at::Tensor values, measure_together(engine_, clean_->batch(), waiting_, judge_, control_.cancel));
      queue(values, false);
    }
    if (run_tokens_ < budget_) run_tokens_ *= 2;
    // A GPU computes one run while the values of the run before are waited for.
    return keep_measured(engine_.model().device.is_cuda() ? 1 : 0);
  }

  // Records that the waiting variants are now being measured.
  void queue(const at::Tensor& values, bool with_clean) {
    measured_.push_back({QueuedRead(values), with_clean, std::move(places_), {}});
    for (const LayerVariants& layer : waiting_)
      measured_.back().layers.emplace_back(layer.layer, std::ssize(layer.variants));
    waiting_.clear();
    places_.clear();
  }

  // Waits for all runs except the last `running`, and keeps their values.
  Status keep_measured(std::size_t running = 0) {
    while (measured_.size() > running) {
      Measured run = std::move(measured_.front());
      measured_.pop_front();
      const std::vector<double> values = to_list(run.values.wait());
      auto value = values.begin();
      if (run.with_clean) {
        if (*value++ == 0.0) return not_finite(engine_.model());
        for (const std::int64_t prompt : chunk_) {
          const double own = *value++; // a divergence compares the row with itself: exactly 0
          result_.clean[static_cast<std::size_t>(prompt)] = needs_reference(options_.metric) ? 0.0 : own;
        }
      }
      for (const QueuedCell& place : run.places)
        keep(place.slot, place.layer, place.head, *value++);
      for (const auto& [layer, variants] : run.layers)
        HS_TRY(publish(layer, variants));
    }
    return {};
  }

  // Every prompt is prefilled `copies` times; one decode step then measures that many heads of each.
  Status decode_chunk() {
    HS_TRY(run_clean({}));
    HS_TRY(keep_measured());
    const std::int64_t copies =
        std::clamp<std::int64_t>(budget_ / std::max<std::int64_t>(1, length(0)), 1, plan_.most_heads);
    HS_ASSIGN(const KvCache prefilled, prefill(copies));
    for (std::size_t l = 0; l < plan_.layers.size(); ++l) {
      HS_TRY(source_.begin_layer(plan_.layers[l]));
      const auto& heads = plan_.heads[l];
      for (std::size_t begin = 0; begin < heads.size(); begin += static_cast<std::size_t>(copies)) {
        const std::size_t count = std::min(static_cast<std::size_t>(copies), heads.size() - begin);
        HS_TRY(decode_heads(prefilled, copies, plan_.layers[l], std::span(heads).subspan(begin, count)));
        HS_TRY(publish(plan_.layers[l], static_cast<std::int64_t>(count * rows_.size())));
      }
    }
    return {};
  }

  Result<KvCache> prefill(std::int64_t copies) {
    return guarded("prefilling the prompts", [&]() -> Result<KvCache> {
      const at::Tensor tokens = TokenBatch::pad(rows_, TokenBatch::Side::right).tokens;
      repeated_ = tokens.repeat_interleave(copies, 0);
      KvCache cache;
      RunRequest request;
      request.batch.tokens = repeated_.narrow(1, 0, repeated_.size(1) - 1);
      request.until = LogitRows::none;
      request.past = KvPast::append_to(cache);
      request.cancel = control_.cancel;
      HS_TRY(engine_.run(request));
      return cache;
    });
  }

  Status decode_heads(const KvCache& prefilled, std::int64_t copies, int layer, std::span<const std::int64_t> heads) {
    return guarded("decoding with heads ablated", [&]() -> Status {
      KvCache cache = prefilled; // its slots are shared: each step writes the one slot after the prefilled ones
      RunRequest request;
      request.batch.tokens = repeated_.narrow(1, repeated_.size(1) - 1, 1);
      request.until = LogitRows::last;
      request.past = KvPast::append_to(cache);
      request.cancel = control_.cancel;
      std::vector<std::int64_t> used, slots;
      for (std::size_t slot = 0; slot < rows_.size(); ++slot) {
        for (std::size_t i = 0; i < heads.size(); ++i) {
          used.push_back(static_cast<std::int64_t>(slot) * copies + static_cast<std::int64_t>(i));
          slots.push_back(static_cast<std::int64_t>(slot));
          auto intervention = source_.intervention(slot, length(slot), {layer, heads[i]});
          if (!intervention) continue;
          intervention->row = used.back();
          request.interventions.push_back(std::move(*intervention));
        }
      }
      HS_ASSIGN(const RunResult run, engine_.run(request));
      const at::Tensor index = at::tensor(used, at::kLong).to(run.logits.device());
      HS_ASSIGN(const std::vector<double> values, judge_.values(run.logits.index_select(0, index), slots));
      for (std::size_t i = 0; i < values.size(); ++i)
        keep(static_cast<std::size_t>(slots[i]), layer, heads[i % heads.size()], values[i]);
      return {};
    });
  }

  void keep(std::size_t slot, int layer, std::int64_t head, double value) {
    const std::int64_t prompt = chunk_[slot];
    result_.effects[result_.index(prompt, layer, head)] = value - result_.clean[static_cast<std::size_t>(prompt)];
  }

  Status publish(int layer, std::int64_t measured) {
    done_ += measured;
    control_.report("ablating heads", done_, plan_.head_count * static_cast<std::int64_t>(plan_.prompts.size()));
    return callback_ ? callback_({chunk_, layer, &result_}) : Status{};
  }

  const Engine& engine_;
  const HeadAblationOptions& options_;
  const AblationPlan& plan_;
  AblationSource& source_;
  const RunControl& control_;
  const HeadAblationCallback& callback_;
  HeadAblationResult& result_;
  std::vector<std::int64_t> chunk_; // indices of the prompts being measured
  TokenRows rows_;                  // their tokens
  std::optional<CleanRows> clean_;
  Judge judge_;
  at::Tensor repeated_;     // tokens [chunk x copies, pos]
  std::int64_t budget_;     // tokens that are run at once
  std::int64_t run_tokens_; // and in the next run, when that is fewer

  struct QueuedCell {
    std::size_t slot;
    int layer;
    std::int64_t head;
  };
  std::vector<LayerVariants> waiting_; // for a run
  std::vector<QueuedCell> places_;     // of their variants, in order
  struct Measured {
    QueuedRead values;
    bool with_clean; // before those of the places: whether all logits are numbers, and the prompts' own
    std::vector<QueuedCell> places;
    std::vector<std::pair<int, std::int64_t>> layers; // and how many variants each had
  };
  std::deque<Measured> measured_; // runs that may still be going on, of this chunk
  std::int64_t done_ = 0;
};

Status check_options(const HeadAblationOptions& options) {
  if (options.tokens_per_run < 0)
    return make_error(ErrorCode::invalid_argument, "must not be negative", {}, "tokens_per_run");
  if (options.mean_by_position && options.method != AblationMethod::mean)
    return make_error(ErrorCode::invalid_argument, "only goes with mean ablation", {}, "mean_by_position");
  return {};
}

Status check_head(HeadId id, const ModelConfig& config) {
  if (id.layer >= 0 && id.layer < config.n_layers && id.head >= 0 && id.head < config.n_heads) return {};
  return make_error(ErrorCode::invalid_argument,
                    head_name(id) + " does not exist: the model has " + std::to_string(config.n_layers) +
                        " layers of " + std::to_string(config.n_heads) + " heads",
                    {}, "heads");
}

Status sweep(const Engine& engine, const AblationPlan& plan, const HeadAblationOptions& options,
             const RunControl& control, const HeadAblationCallback& callback, HeadAblationResult& result) {
  HS_ASSIGN(AblationSource source, AblationSource::prepare(engine, plan.prompts, options, plan.layers, control));
  result.donors = source.donors();
  HS_ASSIGN(result.replaced,
            replaced_shares(plan.prompts, reference_rows(options, plan.prompts), result.donors, options.phase));
  return Sweep(engine, options, plan, source, control, callback, result).run();
}

} // namespace

std::vector<double> HeadAblationResult::mean_effects() const {
  return mean_over_first_axis(effects, n_prompts, n_layers * n_heads);
}

std::string reference_note(const HeadAblationOptions& options, const std::vector<AblationPrompt>& prompts,
                           const HeadAblationResult& result) {
  if (options.method == AblationMethod::mean && options.reference.empty() && prompts.size() == 1)
    return "the mean of each head is over this one prompt itself; give reference prompts for a mean over others";
  std::size_t partly = 0, worst = 0;
  for (std::size_t i = 0; i < result.replaced.size(); ++i) {
    if (result.replaced[i] < 1.0) ++partly;
    if (result.replaced[i] < result.replaced[worst]) worst = i;
  }
  if (partly == 0) return {};
  std::ostringstream text;
  text << "in " << partly << " of " << prompts.size() << (prompts.size() == 1 ? " prompt" : " prompts")
       << " only a part of the positions is replaced, since the reference prompt is shorter (least: "
       << std::round(1000.0 * result.replaced[worst]) / 10.0 << " % of prompt " << worst
       << "'s); before it, heads keep their clean activations";
  return text.str();
}

Result<AblationPlan> plan_ablation(const Engine& engine, const std::vector<AblationPrompt>& prompts,
                                   const HeadAblationOptions& options) {
  const ModelConfig& config = engine.config();
  HS_TRY(check_options(options));
  AblationPlan plan;
  for (const AblationPrompt& prompt : prompts) {
    plan.prompts.push_back(prompt.tokens);
    plan.answers.push_back(prompt.answers);
  }
  if (prompts.empty()) return make_error(ErrorCode::invalid_argument, "there are none", {}, "prompts");
  HS_TRY(check_rows(plan.prompts, engine, "prompt"));
  HS_TRY(check_rows(options.reference, engine, "reference prompt"));
  HS_TRY(check_answers(options.metric, plan.answers, config.n_logits()));
  for (std::size_t i = 0; i < prompts.size(); ++i)
    if (options.phase != Phase::both && prompts[i].tokens.size() < 2)
      return make_error(ErrorCode::invalid_argument,
                        "prompt " + std::to_string(i) + " has one token; phases need a prompt of at least two", {},
                        "phase");
  std::set<HeadId> wanted(options.heads.begin(), options.heads.end());
  if (options.heads.empty())
    for (int layer = 0; layer < config.n_layers; ++layer)
      for (std::int64_t head = 0; head < config.n_heads; ++head)
        wanted.insert({layer, head});
  for (const HeadId id : wanted) {
    HS_TRY(check_head(id, config));
    if (plan.layers.empty() || plan.layers.back() != id.layer) {
      plan.layers.push_back(id.layer);
      plan.heads.emplace_back();
    }
    plan.heads.back().push_back(id.head);
    plan.most_heads = std::max(plan.most_heads, static_cast<std::int64_t>(plan.heads.back().size()));
  }
  plan.head_count = static_cast<std::int64_t>(wanted.size());
  return plan;
}

HeadAblationResult empty_result(const Engine& engine, const AblationPlan& plan) {
  HeadAblationResult result;
  result.n_prompts = static_cast<std::int64_t>(plan.prompts.size());
  result.n_layers = engine.config().n_layers;
  result.n_heads = engine.config().n_heads;
  const double unmeasured = std::numeric_limits<double>::quiet_NaN();
  result.clean.assign(static_cast<std::size_t>(result.n_prompts), unmeasured);
  result.effects.assign(result.index(result.n_prompts, 0, 0), unmeasured);
  return result;
}

Result<HeadAblationResult> ablate_heads(const Engine& engine, const std::vector<AblationPrompt>& prompts,
                                        const HeadAblationOptions& options, const RunControl& control,
                                        const HeadAblationCallback& callback) {
  return guarded("ablating heads", [&]() -> Result<HeadAblationResult> {
    HS_ASSIGN(const AblationPlan plan, plan_ablation(engine, prompts, options));
    HeadAblationResult result = empty_result(engine, plan);
    const Status status = sweep(engine, plan, options, control, callback, result);
    if (!status.ok() && !was_cancelled(status.error())) return status.error();
    result.complete = status.ok();
    return result;
  });
}

} // namespace headscope
