// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/sweeps/masking.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/ATen.h>

#include "core/model/guard.h"
#include "core/scoring/rouge.h"
#include "core/sweeps/sweep.h"

namespace headscope {
namespace {

constexpr std::int64_t logits_per_run = std::int64_t{64} << 20;
constexpr double not_measured = std::numeric_limits<double>::quiet_NaN();

std::string lower_word(const std::string& text) {
  std::string word;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    const bool capital = c >= 'A' && c <= 'Z';
    if (!letter && !capital && word.empty()) continue;
    if (!letter && !capital) break;
    word += capital ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return word;
}

double judged(const MaskPrompt& task, const std::string& answer) {
  if (task.judge == MaskJudge::recall) return rouge1(task.expected, answer).recall;
  static const std::string mark = "answer is";
  const auto at = answer.rfind(mark);
  if (at == std::string::npos) return 0.0;
  return lower_word(answer.substr(at + mark.size())) == lower_word(task.expected) ? 1.0 : 0.0;
}

Status check(const std::vector<MaskPrompt>& tasks, const std::vector<HeadId>& ranking, const MaskingOptions& options) {
  if (tasks.empty()) return make_error(ErrorCode::invalid_argument, "there is no task", {}, "tasks");
  if (options.seeds < 1) return make_error(ErrorCode::invalid_argument, "must be at least 1", {}, "seeds");
  if (options.counts.empty()) return make_error(ErrorCode::invalid_argument, "names no count", {}, "counts");
  for (std::size_t i = 0; i < options.counts.size(); ++i)
    if (options.counts[i] < 1 || (i > 0 && options.counts[i] <= options.counts[i - 1]) ||
        options.counts[i] > std::ssize(ranking))
      return make_error(ErrorCode::invalid_argument,
                        "must increase, from 1 on and to at most the " + std::to_string(ranking.size()) +
                            " heads that are ranked",
                        {}, "counts");
  for (const MaskPrompt& task : tasks)
    if (options.method == MaskMethod::needle && task.needle.empty())
      return make_error(ErrorCode::invalid_argument, "the task " + task.id + " has no needle to hide", {}, "method");
  return {};
}

double log_prob(const MaskPrompt& task, const at::Tensor& logits) { // [continuation, d_vocab]
  const at::Tensor all = logits.log_softmax(-1, at::kDouble);
  const double right = all.gather(1, at::tensor(task.continuation, at::kLong).unsqueeze(1)).mean().item<double>();
  return task.wrong ? right - all[0][*task.wrong].item<double>() : right;
}

class Masking {
public:
  Masking(const Engine& engine, const std::vector<MaskPrompt>& tasks, const MaskingOptions& options)
      : engine_(engine), tasks_(tasks), options_(options) {}

  Result<MaskingResult> run(const std::vector<HeadId>& ranking, const RunControl& context) {
    choose_heads(ranking);
    if (options_.method == MaskMethod::mean) {
      const Status status = average(context);
      if (!status.ok()) return status.error();
    }
    std::int64_t done = 0;
    for (; done < result_.n_tasks; ++done) {
      context.report("masking heads", done, result_.n_tasks);
      const Status status = measure(static_cast<std::size_t>(done), context.cancel);
      if (!status.ok() && status.error().code == ErrorCode::cancelled && done > 0) break;
      HS_TRY(status);
    }
    context.report("masking heads", done, result_.n_tasks);
    result_.complete = done == result_.n_tasks;
    return std::move(result_);
  }

private:
  void choose_heads(const std::vector<HeadId>& ranking) {
    result_.counts = options_.counts;
    result_.seeds = options_.seeds;
    result_.excluded = options_.excluded < 0 ? usual_exclusion(engine_.config()) : options_.excluded;
    result_.n_tasks = std::ssize(tasks_);
    result_.heads = {{}};
    result_.moved = {0};
    for (const std::int64_t count : options_.counts) {
      result_.heads.emplace_back(ranking.begin(), ranking.begin() + static_cast<std::ptrdiff_t>(count));
      result_.moved.push_back(0);
      for (std::int64_t seed = 0; seed < options_.seeds; ++seed) {
        MatchedHeads drawn = matched_random_heads(ranking, count, result_.excluded, engine_.config(),
                                                  options_.seed + static_cast<std::uint64_t>(seed));
        result_.heads.push_back(std::move(drawn.heads));
        result_.moved.push_back(drawn.moved);
      }
    }
    result_.scores.assign(result_.heads.size() * tasks_.size(), not_measured);
    result_.answers.resize(result_.scores.size());
  }

  // Computes the mean z of every head over the positions of all prompts.
  Status average(const RunControl& context) {
    const auto n_layers = static_cast<std::size_t>(engine_.config().n_layers);
    means_.assign(n_layers, {});
    double positions = 0.0;
    RunRequest request;
    request.until = LogitRows::none;
    request.cancel = context.cancel;
    for (std::size_t layer = 0; layer < n_layers; ++layer)
      request.hooks.push_back({{HookPoint::z, static_cast<int>(layer)}, [&, layer](HookSite, at::Tensor z) {
                                 const at::Tensor sum = z[0].to(at::kDouble).sum(0);
                                 means_[layer] = means_[layer].defined() ? means_[layer] + sum : sum;
                                 return z;
                               }});
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      context.report("averaging heads", static_cast<std::int64_t>(i), result_.n_tasks);
      request.batch = TokenBatch::single(tasks_[i].prompt);
      HS_TRY(engine_.run(request));
      positions += static_cast<double>(tasks_[i].prompt.size());
    }
    for (at::Tensor& mean : means_)
      mean = mean / positions;
    return {};
  }

  Intervention mask(HeadId head, const MaskPrompt& task) const {
    Intervention out;
    out.site = {HookPoint::z, head.layer};
    out.head = head.head;
    switch (options_.method) {
    case MaskMethod::zero: break;
    case MaskMethod::uniform:
      out.site.point = HookPoint::pattern;
      out.kind = InterventionKind::uniform;
      break;
    case MaskMethod::mean:
      out.kind = InterventionKind::set;
      out.value = means_[static_cast<std::size_t>(head.layer)][head.head];
      break;
    case MaskMethod::needle:
      out.site.point = HookPoint::attn_scores;
      out.kind = InterventionKind::hide;
      out.keys = task.needle;
      break;
    }
    return out;
  }

  Status measure(std::size_t index, const CancelToken& cancel) {
    const MaskPrompt& task = tasks_[index];
    std::vector<Interventions> variants;
    for (const auto& heads : result_.heads) {
      variants.emplace_back();
      for (const HeadId head : heads)
        variants.back().push_back(mask(head, task));
    }
    return task.judge == MaskJudge::log_prob ? measure_log_prob(index, variants, cancel)
                                             : measure_answer(index, std::move(variants), cancel);
  }

  Status measure_answer(std::size_t index, std::vector<Interventions> variants, const CancelToken& cancel) {
    const Tokenizer& tokenizer = *engine_.model().tokenizer;
    for (Interventions& variant : variants)
      for (Intervention& intervention : variant)
        intervention.phase = options_.phase;
    AnswerOptions how;
    how.max_new_tokens = options_.new_tokens;
    how.ends = [&](std::int64_t token) { return tokenizer.text(token).find('\n') != std::string::npos; };
    how.tokens_per_run = options_.tokens_per_run;
    how.cancel = cancel;
    HS_ASSIGN(const auto answers, answer_variants(engine_, tasks_[index].prompt, variants, how));
    for (std::size_t variant = 0; variant < answers.size(); ++variant) {
      const std::size_t at = variant * tasks_.size() + index;
      result_.answers[at] = tokenizer.decode(answers[variant], /*skip_special=*/true);
      result_.scores[at] = judged(tasks_[index], result_.answers[at]);
    }
    return {};
  }

  Status measure_log_prob(std::size_t index, const std::vector<Interventions>& variants, const CancelToken& cancel) {
    HS_ASSIGN(const std::vector<double> scores,
              log_prob_variants(engine_, tasks_[index], variants, options_.phase, options_.tokens_per_run, cancel));
    for (std::size_t variant = 0; variant < scores.size(); ++variant)
      result_.scores[variant * tasks_.size() + index] = scores[variant];
    return {};
  }

  const Engine& engine_;
  const std::vector<MaskPrompt>& tasks_;
  const MaskingOptions& options_;
  std::vector<at::Tensor> means_; // by layer [head_index, d_head] float64
  MaskingResult result_;
};

} // namespace

// Runs one pass over prompt and continuation, whose last token is only predicted.
Result<std::vector<double>> log_prob_variants(const Engine& engine, const MaskPrompt& task,
                                              const std::vector<Interventions>& variants, Phase phase,
                                              std::int64_t tokens_at_once, const CancelToken& cancel) {
  std::vector<std::int64_t> tokens = task.prompt;
  tokens.insert(tokens.end(), task.continuation.begin(), task.continuation.end() - 1);
  const auto length = std::ssize(tokens), first = std::ssize(task.prompt) - 1;
  std::vector<std::int64_t> positions;
  for (std::int64_t p = phase == Phase::decode ? first : 0; p < (phase == Phase::prefill ? first : length); ++p)
    positions.push_back(p);
  const auto rows_per_run = static_cast<std::size_t>(
      std::max<std::int64_t>(1, std::min(tokens_per_run(tokens_at_once, engine) / length,
                                         logits_per_run / (length * engine.config().d_vocab))));
  std::vector<double> scores;
  for (std::size_t begin = 0; begin < variants.size(); begin += rows_per_run) {
    const std::size_t end = std::min(variants.size(), begin + rows_per_run);
    RunRequest request;
    request.batch = TokenBatch::pad(TokenRows(end - begin, tokens), TokenBatch::Side::right);
    request.cancel = cancel;
    for (std::size_t variant = begin; variant < end && !positions.empty(); ++variant)
      for (Intervention intervention : variants[variant]) {
        intervention.row = static_cast<std::int64_t>(variant - begin);
        if (phase != Phase::both) intervention.positions = positions;
        request.interventions.push_back(std::move(intervention));
      }
    HS_ASSIGN(const RunResult ran, engine.run(request));
    const at::Tensor logits = ran.logits.narrow(1, first, std::ssize(task.continuation)).to(at::kCPU, at::kFloat);
    for (std::size_t row = 0; row < end - begin; ++row)
      scores.push_back(log_prob(task, logits[static_cast<std::int64_t>(row)]));
  }
  return scores;
}

double MaskingResult::mean(std::size_t variant) const {
  const auto begin = scores.begin() + static_cast<std::ptrdiff_t>(variant) * n_tasks;
  double sum = 0.0, count = 0.0;
  for (auto score = begin; score != begin + n_tasks; ++score)
    if (!std::isnan(*score)) {
      sum += *score;
      count += 1.0;
    }
  return count > 0.0 ? sum / count : not_measured;
}

double MaskingResult::control_mean(std::size_t count) const {
  double sum = 0.0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(seeds); ++i)
    sum += mean(control(count, i));
  return sum / static_cast<double>(seeds);
}

std::pair<double, double> MaskingResult::control_range(std::size_t count) const {
  double low = mean(control(count, 0)), high = low;
  for (std::size_t i = 1; i < static_cast<std::size_t>(seeds); ++i) {
    low = std::min(low, mean(control(count, i)));
    high = std::max(high, mean(control(count, i)));
  }
  return {low, high};
}

Result<MaskingResult> run_masking(const Engine& engine, const std::vector<MaskPrompt>& tasks,
                                  const std::vector<HeadId>& ranking, const MaskingOptions& options,
                                  const RunControl& task) {
  HS_TRY(check(tasks, ranking, options));
  return guarded("masking heads", [&] { return Masking(engine, tasks, options).run(ranking, task); });
}

std::vector<HeadId> ranked_heads(const std::vector<float>& scores, std::int64_t n_heads) {
  std::vector<std::int64_t> order;
  for (std::int64_t i = 0; i < std::ssize(scores); ++i)
    if (!std::isnan(scores[static_cast<std::size_t>(i)])) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
  });
  std::vector<HeadId> heads;
  for (const std::int64_t i : order)
    heads.push_back({static_cast<int>(i / n_heads), i % n_heads});
  return heads;
}

} // namespace headscope
