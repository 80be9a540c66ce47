// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/sweeps/steering.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include <ATen/ATen.h>

#include "core/engine/finite_logits.h"
#include "core/model/guard.h"
#include "core/sweeps/ablation_source.h"

namespace headscope {
namespace {

constexpr Named<SteeringOperation> operations[] = {
    {SteeringOperation::add, "add", "the coefficient times the vector is added"},
    {SteeringOperation::set, "set", "the activation becomes the coefficient times the vector"},
    {SteeringOperation::scale, "scale", "the activation is multiplied by the coefficient; no vector is needed"},
    {SteeringOperation::project_out, "project_out",
     "the activation loses the coefficient times its part along the vector; 1 removes that direction"},
};

constexpr Named<ReadPosition> read_positions[] = {
    {ReadPosition::last, "last", "at its last token"},
    {ReadPosition::mean, "mean", "on average over its tokens"},
};

constexpr Named<SteeredPositions::Kind> kinds[] = {
    {SteeredPositions::Kind::all, "all", ""},
    {SteeredPositions::Kind::last, "last", ""},
    {SteeredPositions::Kind::prompt, "prompt", ""},
    {SteeredPositions::Kind::generated, "generated", ""},
};

constexpr double not_measured = std::numeric_limits<double>::quiet_NaN();

Result<std::int64_t> parse_position(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && !text.empty()) return value;
  return make_error(
      ErrorCode::invalid_argument,
      std::string("must be all, last, prompt, generated or numbers as 0,3,-1, not '").append(text).append("'"), {},
      "positions");
}

// Reads one text's activation [d] at the target's site, in the head where it names one.
at::Tensor read_text(const at::Tensor& activation, const SteeringTarget& target, std::int64_t row, std::int64_t length,
                     ReadPosition position) {
  at::Tensor x = activation.select(0, row).narrow(0, 0, length);
  if (target.head) x = x.select(1, *target.head);
  x = position == ReadPosition::last ? x.select(0, length - 1) : x.to(at::kDouble).mean(0);
  return x.to(at::kCPU, at::kDouble);
}

RunRequest reading_request(const TokenRows& rows, const std::vector<SteeringTarget>& targets,
                           const CancelToken& cancel) {
  RunRequest request;
  request.batch = TokenBatch::pad(rows, TokenBatch::Side::right);
  request.until = LogitRows::none;
  request.cancel = cancel;
  for (const SteeringTarget& target : targets)
    if (std::find(request.capture.begin(), request.capture.end(), target.site) == request.capture.end())
      request.capture.push_back(target.site);
  return request;
}

Status check_steering(const Engine& engine, const std::vector<AblationPrompt>& prompts, const Steering& steering,
                      const SteeringOptions& options) {
  HS_TRY(check_targets(steering.targets, engine.config()));
  if (prompts.empty()) return make_error(ErrorCode::invalid_argument, "there are none", {}, "prompts");
  if (options.coefficients.empty()) return make_error(ErrorCode::invalid_argument, "there is none", {}, "coefficient");
  for (const double coefficient : options.coefficients)
    if (!std::isfinite(coefficient))
      return make_error(ErrorCode::invalid_argument, "must be finite", {}, "coefficient");
  TokenRows rows;
  std::vector<Answers> answers;
  for (const AblationPrompt& prompt : prompts) {
    rows.push_back(prompt.tokens);
    answers.push_back(prompt.answers);
  }
  HS_TRY(check_rows(rows, engine, "prompt"));
  return check_answers(options.metric, answers, engine.config().n_logits());
}

// The logits of the last token at each of these strengths, side by side [coefficient, d_vocab].
Result<at::Tensor> steered_logits(const Engine& engine, const std::vector<std::int64_t>& tokens,
                                  const Steering& steering, std::span<const double> coefficients,
                                  const CancelToken& cancel) {
  RunRequest request;
  request.batch = TokenBatch::pad(TokenRows(coefficients.size(), tokens), TokenBatch::Side::right);
  request.until = LogitRows::last;
  request.split_matmul = true; // as in the run that it is compared with
  request.cancel = cancel;
  const std::int64_t length = std::ssize(tokens);
  for (std::size_t i = 0; i < coefficients.size(); ++i) {
    HS_ASSIGN(auto changes,
              steering_interventions(steering, coefficients[i], length, length, static_cast<std::int64_t>(i)));
    std::move(changes.begin(), changes.end(), std::back_inserter(request.interventions));
  }
  HS_ASSIGN(const RunResult run, engine.run(request));
  return run.logits;
}

Status measure(const Engine& engine, const AblationPrompt& prompt, std::size_t index, const Steering& steering,
               const SteeringOptions& options, const CancelToken& cancel, SteeringResult& result) {
  HS_ASSIGN(const at::Tensor clean, last_logits(engine, {prompt.tokens}, cancel));
  Judge judge{options.metric, {prompt.answers}, {}};
  if (needs_reference(options.metric)) judge.reference = clean;
  HS_ASSIGN(const auto own, judge.values(clean, {0}));
  result.clean[index] =
      needs_reference(options.metric) ? 0.0 : own.front(); // a divergence compares the row with itself
  const std::int64_t budget = tokens_per_run(options.tokens_per_run, engine);
  const auto rows = static_cast<std::size_t>(std::max<std::int64_t>(1, budget / std::ssize(prompt.tokens)));
  const std::span all(options.coefficients);
  for (std::size_t begin = 0; begin < all.size(); begin += rows) {
    const auto some = all.subspan(begin, std::min(rows, all.size() - begin));
    HS_ASSIGN(const at::Tensor logits, steered_logits(engine, prompt.tokens, steering, some, cancel));
    HS_ASSIGN(const auto values, judge.values(logits, std::vector<std::int64_t>(some.size(), 0)));
    for (std::size_t i = 0; i < values.size(); ++i)
      result.steered[result.index(begin + i, index)] = values[i];
  }
  return {};
}

} // namespace

template <> std::span<const Named<SteeringOperation>> names_of<SteeringOperation>() { return operations; }
template <> std::span<const Named<ReadPosition>> names_of<ReadPosition>() { return read_positions; }

Result<SteeredPositions> SteeredPositions::parse(const std::string& text) {
  for (const auto& each : kinds)
    if (text == each.name) return SteeredPositions{each.value, {}};
  SteeredPositions positions{Kind::listed, {}};
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    HS_ASSIGN(const std::int64_t position, parse_position(std::string_view(text).substr(begin, end - begin)));
    positions.listed.push_back(position);
    begin = end + 1;
  }
  return positions;
}

std::string target_name(const SteeringTarget& target) {
  return target.head ? head_name({target.site.layer, *target.head}) : std::to_string(target.site.layer);
}

Status check_targets(const std::vector<SteeringTarget>& targets, const ModelConfig& config) {
  if (targets.empty()) return make_error(ErrorCode::invalid_argument, "there is none to steer", {}, "layers");
  const std::vector<HookSite> sites = hook_sites(config);
  for (const SteeringTarget& target : targets) {
    if (std::find(sites.begin(), sites.end(), target.site) == sites.end())
      return make_error(ErrorCode::not_found, std::string("the model has no ").append(hook_name(target.site)), {},
                        "site");
    const bool with_heads = hook_axes(target.site.point) == HookAxes::pos_head_d;
    if (with_heads != target.head.has_value() || (!with_heads && hook_axes(target.site.point) != HookAxes::pos_d))
      return make_error(ErrorCode::invalid_argument,
                        std::string(short_name(target.site.point))
                            .append(with_heads ? " is steered by head" : " has no heads to be steered by"),
                        {}, "heads");
    if (target.head && (*target.head < 0 || *target.head >= config.n_heads))
      return make_error(ErrorCode::invalid_argument, std::string("the model has no head ").append(target_name(target)),
                        {}, "heads");
  }
  return {};
}

Result<std::vector<std::int64_t>> steered_slots(const Steering& steering, std::int64_t prompt, std::int64_t total) {
  using Kind = SteeredPositions::Kind;
  std::vector<bool> named(static_cast<std::size_t>(total), steering.positions.kind == Kind::all);
  for (std::int64_t slot = 0; slot < total; ++slot) {
    if ((steering.positions.kind == Kind::last && slot == prompt - 1) ||
        (steering.positions.kind == Kind::prompt && slot < prompt) ||
        (steering.positions.kind == Kind::generated && slot >= prompt))
      named[static_cast<std::size_t>(slot)] = true;
  }
  for (const std::int64_t position : steering.positions.listed) {
    const std::int64_t slot = position < 0 ? prompt + position : position;
    if (slot < 0 || slot >= prompt)
      return make_error(ErrorCode::mismatch,
                        std::string("position ")
                            .append(std::to_string(position))
                            .append(" is outside a prompt of ")
                            .append(std::to_string(prompt))
                            .append(" tokens"),
                        {}, "positions");
    named[static_cast<std::size_t>(slot)] = true;
  }
  std::vector<std::int64_t> slots;
  for (std::int64_t slot = 0; slot < total; ++slot) {
    const Phase phase = slot < prompt - 1 ? Phase::prefill : Phase::decode; // prefill: all but the last prompt token
    const bool acts = (static_cast<int>(phase) & static_cast<int>(steering.phase)) != 0;
    if (acts && named[static_cast<std::size_t>(slot)]) slots.push_back(slot);
  }
  return slots;
}

Result<std::vector<Intervention>> steering_interventions(const Steering& steering, double coefficient,
                                                         std::int64_t prompt, std::int64_t total,
                                                         std::optional<std::int64_t> row) {
  HS_ASSIGN(const std::vector<std::int64_t> slots, steered_slots(steering, prompt, total));
  std::vector<Intervention> out;
  if (slots.empty()) return out;
  for (const SteeringTarget& target : steering.targets) {
    Intervention change;
    change.site = target.site;
    change.head = target.head;
    change.row = row;
    if (std::ssize(slots) < total) change.positions = slots;
    change.factor = coefficient;
    switch (steering.operation) {
    case SteeringOperation::add: change.kind = InterventionKind::add; break;
    case SteeringOperation::set: change.kind = InterventionKind::set; break;
    case SteeringOperation::scale: change.kind = InterventionKind::scale; break;
    case SteeringOperation::project_out: change.kind = InterventionKind::project_out; break;
    }
    if (steering.operation == SteeringOperation::project_out)
      change.value = target.vector;
    else if (steering.operation != SteeringOperation::scale)
      change.value = coefficient * target.vector;
    out.push_back(std::move(change));
  }
  return out;
}

Result<std::vector<at::Tensor>> mean_activations(const Engine& engine, const TokenRows& texts,
                                                 const std::vector<SteeringTarget>& targets, ReadPosition position,
                                                 std::int64_t asked_tokens, const RunControl& control) {
  HS_TRY(check_targets(targets, engine.config()));
  HS_TRY(check_rows(texts, engine, "text"));
  if (texts.empty()) return make_error(ErrorCode::invalid_argument, "there are no texts", {}, "texts");
  return guarded("reading the mean activations", [&]() -> Result<std::vector<at::Tensor>> {
    std::vector<at::Tensor> sums(targets.size());
    std::int64_t done = 0;
    for (const auto& chunk : chunk_rows(texts, 1, tokens_per_run(asked_tokens, engine), false)) {
      const TokenRows rows = select_rows(texts, chunk);
      HS_ASSIGN(const RunResult run, engine.run(reading_request(rows, targets, control.cancel)));
      for (std::size_t i = 0; i < targets.size(); ++i) {
        HS_ASSIGN(const at::Tensor activation, run.cache.get(targets[i].site));
        for (std::size_t row = 0; row < rows.size(); ++row) {
          const at::Tensor read =
              read_text(activation, targets[i], static_cast<std::int64_t>(row), std::ssize(rows[row]), position);
          sums[i] = sums[i].defined() ? sums[i] + read : read;
        }
      }
      done += std::ssize(chunk);
      control.report("reading texts", done, std::ssize(texts));
    }
    for (at::Tensor& sum : sums)
      sum = sum / static_cast<double>(texts.size());
    return sums;
  });
}

Status set_difference_of_means(const Engine& engine, const TokenRows& positive, const TokenRows& negative,
                               ReadPosition position, std::int64_t asked_tokens, std::vector<SteeringTarget>& targets,
                               const RunControl& control) {
  HS_ASSIGN(const auto plus, mean_activations(engine, positive, targets, position, asked_tokens, control));
  HS_ASSIGN(const auto minus, mean_activations(engine, negative, targets, position, asked_tokens, control));
  return guarded("taking the difference of means", [&]() -> Status {
    for (std::size_t i = 0; i < targets.size(); ++i) {
      targets[i].vector = (plus[i] - minus[i]).to(at::kFloat);
      if (!targets[i].vector.isfinite().all().item<bool>()) return not_finite(engine.model());
      if (targets[i].vector.ne(0).any().item<bool>()) continue;
      return make_error(ErrorCode::mismatch,
                        std::string("the positive and the negative texts have the same mean at ")
                            .append(hook_name(targets[i].site))
                            .append(", so there is no direction between them"),
                        {}, "positive");
    }
    return {};
  });
}

double SteeringResult::mean(std::size_t coefficient) const {
  const auto at = [&](std::size_t each) { return steered.begin() + static_cast<std::ptrdiff_t>(index(each, 0)); };
  return mean_over_first_axis({at(coefficient), at(coefficient + 1)}, n_prompts, 1).front();
}

Result<SteeringResult> steer_prompts(const Engine& engine, const std::vector<AblationPrompt>& prompts,
                                     const Steering& steering, const SteeringOptions& options,
                                     const RunControl& control) {
  HS_TRY(check_steering(engine, prompts, steering, options));
  return guarded("steering", [&]() -> Result<SteeringResult> {
    SteeringResult result;
    result.n_prompts = std::ssize(prompts);
    result.clean.assign(prompts.size(), not_measured);
    result.steered.assign(prompts.size() * options.coefficients.size(), not_measured);
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      const Status status = measure(engine, prompts[i], i, steering, options, control.cancel, result);
      if (!status.ok() && was_cancelled(status.error())) return result;
      HS_TRY(status);
      control.report("steering", static_cast<std::int64_t>(i) + 1, result.n_prompts);
    }
    result.complete = true;
    return result;
  });
}

} // namespace headscope
