// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/generate.h"

#include <algorithm>
#include <cmath>
#include <random>

#include <ATen/ATen.h>

#include "core/engine/finite_logits.h"
#include "core/model/guard.h"

namespace headscope {

Status check_room(const Engine& engine, const std::vector<std::int64_t>& prompt, std::int64_t new_tokens) {
  const auto total = static_cast<std::int64_t>(prompt.size()) + new_tokens;
  if (total > engine.longest_text())
    return make_error(ErrorCode::mismatch,
                      "the prompt has " + std::to_string(prompt.size()) + " tokens, which with " +
                          std::to_string(new_tokens) + " new ones pass the model's context of " +
                          std::to_string(engine.config().n_ctx),
                      {}, "prompt");
  return {};
}

namespace {

// Probabilities after temperature, the k largest logits, and the smallest set of them that holds top_p.
at::Tensor sampling_probabilities(const at::Tensor& logits, const GenerateOptions& options) {
  at::Tensor scaled = logits.to(at::kCPU, at::kDouble) / options.temperature;
  if (options.top_k > 0 && options.top_k < scaled.numel()) {
    const at::Tensor smallest_kept = std::get<0>(scaled.topk(options.top_k)).min();
    scaled = scaled.masked_fill(scaled < smallest_kept, -std::numeric_limits<double>::infinity());
  }
  at::Tensor probabilities = scaled.softmax(-1);
  if (options.top_p >= 1.0) return probabilities;
  const auto [sorted, order] = probabilities.sort(-1, /*descending=*/true);
  const at::Tensor before = sorted.cumsum(-1) - sorted; // the mass of all larger ones
  const at::Tensor kept = sorted.masked_fill(before >= options.top_p, 0.0);
  probabilities = at::zeros_like(probabilities).scatter(-1, order, kept);
  return probabilities / probabilities.sum();
}

class Sampler {
public:
  explicit Sampler(const GenerateOptions& options) : options_(options), random_(options.seed) {}

  std::int64_t pick(const at::Tensor& logits) { // [d_vocab]
    if (options_.temperature <= 0.0) return logits.argmax().item<std::int64_t>();
    const at::Tensor cumulative = sampling_probabilities(logits, options_).cumsum(-1).contiguous();
    // Takes 53 bits of the generator directly: the standard library's distributions differ between platforms.
    const double uniform = static_cast<double>(random_() >> 11) * 0x1.0p-53;
    const double* begin = cumulative.const_data_ptr<double>();
    const double* end = begin + cumulative.numel();
    const double target = uniform * end[-1];
    return std::min<std::int64_t>(std::upper_bound(begin, end, target) - begin, cumulative.numel() - 1);
  }

private:
  const GenerateOptions& options_;
  std::mt19937_64 random_;
};

Status check(const Engine& engine, const std::vector<std::int64_t>& prompt, const GenerateOptions& options) {
  if (prompt.empty()) return make_error(ErrorCode::invalid_argument, "the prompt is empty", {}, "prompt");
  if (options.max_new_tokens < 0)
    return make_error(ErrorCode::invalid_argument, "must not be negative", {}, "max_new_tokens");
  if (!(options.top_p > 0.0)) return make_error(ErrorCode::invalid_argument, "must be positive", {}, "top_p");
  return check_room(engine, prompt, options.max_new_tokens);
}

class Loop {
public:
  Loop(const Engine& engine, const GenerateOptions& options) : engine_(engine), options_(options), sampler_(options) {
    stops_ = options.stop_ids;
    const auto& tokenizer = engine.model().tokenizer;
    if (!options.stop_at_eos || !tokenizer) return;
    const std::vector<std::int64_t> ends = tokenizer->end_ids();
    stops_.insert(stops_.end(), ends.begin(), ends.end());
  }

  Result<Generation> run(const std::vector<std::int64_t>& prompt) {
    Generation generation;
    std::vector<std::int64_t> next = prompt;
    if (options_.last_prompt_token_decodes && prompt.size() > 1) {
      HS_TRY(step({prompt.begin(), prompt.end() - 1}, LogitRows::none, std::ssize(prompt)));
      next = {prompt.back()};
    }
    for (std::int64_t i = 0; i < options_.max_new_tokens; ++i) {
      HS_TRY(step(next, LogitRows::last));
      HS_TRY(check_finite(logits_, engine_.model()));
      const std::int64_t token = sampler_.pick(logits_[0]);
      generation.tokens.push_back(token);
      options_.control.report("generating", i + 1, options_.max_new_tokens);
      if (options_.on_token && !options_.on_token(token)) break;
      if (std::find(stops_.begin(), stops_.end(), token) != stops_.end()) break;
      next = {token};
    }
    return generation;
  }

private:
  Status step(const std::vector<std::int64_t>& tokens, LogitRows rows, std::int64_t prompt_length = 0) {
    RunRequest request;
    request.batch = TokenBatch::single(tokens);
    request.past = KvPast::append_to(cache_, prompt_length);
    request.until = rows;
    request.interventions = options_.interventions;
    request.observer = options_.observer;
    request.cancel = options_.control.cancel;
    HS_ASSIGN(const RunResult result, engine_.run(request));
    logits_ = result.logits;
    return {};
  }

  const Engine& engine_;
  const GenerateOptions& options_;
  Sampler sampler_;
  KvCache cache_;
  std::vector<std::int64_t> stops_;
  at::Tensor logits_;
};

} // namespace

Result<Generation> generate(const Engine& engine, const std::vector<std::int64_t>& prompt,
                            const GenerateOptions& options) {
  HS_TRY(check(engine, prompt, options));
  return guarded("generating", [&] { return Loop(engine, options).run(prompt); });
}

} // namespace headscope
