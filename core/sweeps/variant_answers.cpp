// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/sweeps/variant_answers.h"

#include <algorithm>
#include <numeric>

#include <ATen/ATen.h>

#include "core/engine/generate.h"
#include "core/model/guard.h"
#include "core/sweeps/sweep.h"

namespace headscope {
namespace {

bool decode_only(const Interventions& variant) {
  return std::all_of(variant.begin(), variant.end(), [](const Intervention& i) { return i.phase == Phase::decode; });
}

// Runs some variants of one prompt until all their answers have ended.
class AnswerBatch {
public:
  AnswerBatch(const Engine& engine, const std::vector<std::int64_t>& prompt, const std::vector<Interventions>& variants,
              std::vector<std::size_t> chosen, const AnswerOptions& options)
      : engine_(engine), prompt_(prompt), variants_(variants), active_(std::move(chosen)), options_(options) {}

  // `shared` is the prefill without interventions, or null.
  Status run(const KvCache* shared, std::vector<std::vector<std::int64_t>>& answers) {
    if (prompt_.size() > 1) HS_TRY(prefill(shared));
    std::vector<std::int64_t> next(active_.size(), prompt_.back());
    for (std::int64_t step = 0; step < options_.max_new_tokens && !active_.empty(); ++step) {
      HS_ASSIGN(next, decode(next));
      for (std::size_t i = 0; i < active_.size(); ++i)
        answers[active_[i]].push_back(next[i]);
      drop_ended(next);
    }
    return {};
  }

private:
  Status prefill(const KvCache* shared) {
    if (shared) {
      cache_ = shared->select_rows(std::vector<std::int64_t>(active_.size(), 0));
      return {};
    }
    const std::vector<std::int64_t> begin(prompt_.begin(), prompt_.end() - 1);
    HS_ASSIGN(RunRequest request, request_of(std::vector<std::vector<std::int64_t>>(active_.size(), begin)));
    request.until = LogitRows::none;
    HS_TRY(engine_.run(request));
    return {};
  }

  Result<std::vector<std::int64_t>> decode(const std::vector<std::int64_t>& tokens) {
    std::vector<std::vector<std::int64_t>> rows;
    for (const std::int64_t token : tokens)
      rows.push_back({token});
    HS_ASSIGN(RunRequest request, request_of(rows));
    request.until = LogitRows::last;
    HS_ASSIGN(const RunResult result, engine_.run(request));
    const at::Tensor best = result.logits.argmax(-1).cpu().contiguous();
    const std::int64_t* begin = best.const_data_ptr<std::int64_t>();
    return std::vector<std::int64_t>(begin, begin + best.numel());
  }

  Result<RunRequest> request_of(const std::vector<std::vector<std::int64_t>>& rows) {
    RunRequest request;
    request.batch = TokenBatch::pad(rows, TokenBatch::Side::right);
    request.past = KvPast::append_to(cache_);
    request.cancel = options_.cancel;
    for (std::size_t row = 0; row < active_.size(); ++row)
      for (Intervention intervention : variants_[active_[row]]) {
        intervention.row = static_cast<std::int64_t>(row);
        request.interventions.push_back(std::move(intervention));
      }
    return request;
  }

  void drop_ended(std::vector<std::int64_t>& next) {
    std::vector<std::int64_t> kept;
    for (std::size_t i = 0; i < next.size(); ++i)
      if (!options_.ends || !options_.ends(next[i])) kept.push_back(static_cast<std::int64_t>(i));
    if (kept.size() == next.size()) return;
    if (!kept.empty()) cache_ = cache_.select_rows(kept);
    std::vector<std::size_t> active;
    std::vector<std::int64_t> tokens;
    for (const std::int64_t i : kept) {
      active.push_back(active_[static_cast<std::size_t>(i)]);
      tokens.push_back(next[static_cast<std::size_t>(i)]);
    }
    active_ = std::move(active);
    next = std::move(tokens);
  }

  const Engine& engine_;
  const std::vector<std::int64_t>& prompt_;
  const std::vector<Interventions>& variants_;
  std::vector<std::size_t> active_;
  const AnswerOptions& options_;
  KvCache cache_;
};

Status check(const Engine& engine, const std::vector<std::int64_t>& prompt, const AnswerOptions& options) {
  if (prompt.empty()) return make_error(ErrorCode::invalid_argument, "the prompt is empty", {}, "prompt");
  return check_room(engine, prompt, options.max_new_tokens);
}

Result<KvCache> plain_prefill(const Engine& engine, const std::vector<std::int64_t>& prompt,
                              const CancelToken& cancel) {
  KvCache cache;
  RunRequest request;
  request.batch = TokenBatch::single({prompt.begin(), prompt.end() - 1});
  request.past = KvPast::append_to(cache);
  request.until = LogitRows::none;
  request.cancel = cancel;
  HS_TRY(engine.run(request));
  return cache;
}

} // namespace

Result<std::vector<std::vector<std::int64_t>>> answer_variants(const Engine& engine,
                                                               const std::vector<std::int64_t>& prompt,
                                                               const std::vector<Interventions>& variants,
                                                               const AnswerOptions& options) {
  HS_TRY(check(engine, prompt, options));
  return guarded("answering", [&]() -> Result<std::vector<std::vector<std::int64_t>>> {
    std::vector<std::vector<std::int64_t>> answers(variants.size());
    std::vector<std::size_t> shared, own;
    for (std::size_t i = 0; i < variants.size(); ++i)
      (decode_only(variants[i]) ? shared : own).push_back(i);
    const auto rows_per_run = static_cast<std::size_t>(
        std::max<std::int64_t>(1, tokens_per_run(options.tokens_per_run, engine) / std::ssize(prompt)));
    // A row of a decode step has one token but holds a whole cache.
    const auto run_all = [&](const std::vector<std::size_t>& list, const KvCache* prefill, std::size_t rows) -> Status {
      for (std::size_t begin = 0; begin < list.size(); begin += rows) {
        const auto first = list.begin() + static_cast<std::ptrdiff_t>(begin);
        const auto count = static_cast<std::ptrdiff_t>(std::min(rows, list.size() - begin));
        HS_TRY(AnswerBatch(engine, prompt, variants, {first, first + count}, options).run(prefill, answers));
      }
      return {};
    };
    if (!shared.empty() && prompt.size() > 1) {
      HS_ASSIGN(const KvCache prefill, plain_prefill(engine, prompt, options.cancel));
      HS_TRY(run_all(shared, &prefill, 4 * rows_per_run));
    } else {
      HS_TRY(run_all(shared, nullptr, rows_per_run));
    }
    HS_TRY(run_all(own, nullptr, rows_per_run));
    return answers;
  });
}

} // namespace headscope
