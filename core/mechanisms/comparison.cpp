// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/comparison.h"

#include <algorithm>
#include <chrono>

#include <ATen/ATen.h>

#include "core/engine/finite_logits.h"
#include "core/model/guard.h"

namespace headscope::mechanisms {
namespace {

constexpr std::int64_t logit_bytes = std::int64_t{64} << 20; // of the double-precision logits of one piece

RunRequest whole_text(const Engine& engine, const std::vector<std::int64_t>& tokens, const AttentionBackend* attention,
                      const RunControl& control) {
  RunRequest request;
  request.batch = TokenBatch::single(tokens);
  request.until = BeforeLayer{static_cast<int>(engine.config().n_layers)};
  request.attention = attention ? attention : &default_attention();
  request.beyond_context = true;
  request.cancel = control.cancel;
  return request;
}

// The log-probabilities after positions [begin, end), [position, d_vocab] in double precision.
Result<at::Tensor> log_probabilities(const Engine& engine, const TextRun& run, Range positions,
                                     const CancelToken& cancel) {
  const at::Tensor resid = run.resid.narrow(0, positions.begin, positions.count()).unsqueeze(0);
  HS_ASSIGN(const at::Tensor logits, logits_after(engine, resid, cancel));
  return logits[0].to(at::kDouble).log_softmax(-1);
}

// The tokens that predictions at these positions are of, [position, 1].
at::Tensor next_tokens(const std::vector<std::int64_t>& tokens, Range positions, const at::Device& device) {
  const std::vector<std::int64_t> next(tokens.begin() + positions.begin + 1, tokens.begin() + positions.end + 1);
  return at::tensor(next, at::kLong).to(device).unsqueeze(1);
}

} // namespace

Result<at::Tensor> logits_after(const Engine& engine, const at::Tensor& resid, const CancelToken& cancel) {
  RunRequest request;
  request.beyond_context = true; // the run that these residuals are of may have been
  request.batch.tokens = at::zeros({resid.size(0), resid.size(1)}, at::kLong);
  request.rows = {RowGroup::from_residual(static_cast<int>(engine.config().n_layers), resid)};
  request.cancel = cancel;
  HS_ASSIGN(const RunResult result, engine.run(request));
  HS_TRY(check_finite(result.logits, engine.model()));
  return result.logits;
}

Result<TextRun> run_text(const Engine& engine, const std::vector<std::int64_t>& tokens,
                         const AttentionBackend* attention, const RunControl& control) {
  const auto start = std::chrono::steady_clock::now();
  HS_ASSIGN(const RunResult result, engine.run(whole_text(engine, tokens, attention, control)));
  return guarded("running the model", [&]() -> Result<TextRun> {
    at::Tensor resid = result.resid[0].to(at::kCPU); // waits for the device
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    return TextRun{std::move(resid), took.count()};
  });
}

Result<double> loss_of_last(const Engine& engine, const std::vector<std::int64_t>& tokens, const TextRun& run,
                            std::int64_t count, const RunControl& control) {
  return guarded("measuring an answer", [&]() -> Result<double> {
    const Range positions{std::ssize(tokens) - count - 1, std::ssize(tokens) - 1};
    HS_ASSIGN(const at::Tensor log_p, log_probabilities(engine, run, positions, control.cancel));
    return -log_p.gather(1, next_tokens(tokens, positions, log_p.device())).mean().item<double>();
  });
}

Result<PredictionMeasures> compare_predictions(const Engine& engine, const std::vector<std::int64_t>& tokens,
                                               const TextRun& full, const TextRun& other, std::int64_t skip,
                                               const RunControl& control) {
  return guarded("comparing predictions", [&]() -> Result<PredictionMeasures> {
    const std::int64_t count = std::ssize(tokens) - 1;
    if (skip < 0 || skip >= count)
      return make_error(ErrorCode::invalid_argument,
                        "leaves no prediction out of " + std::to_string(std::max<std::int64_t>(count, 0)), {}, "skip");
    const std::int64_t step = std::max<std::int64_t>(1, logit_bytes / (8 * engine.config().n_logits()));
    PredictionMeasures sums;
    for (std::int64_t begin = skip; begin < count; begin += step) {
      const Range positions{begin, std::min(begin + step, count)};
      HS_ASSIGN(const at::Tensor own, log_probabilities(engine, other, positions, control.cancel));
      HS_ASSIGN(const at::Tensor reference, log_probabilities(engine, full, positions, control.cancel));
      sums.nll -= own.gather(1, next_tokens(tokens, positions, own.device())).sum().item<double>();
      sums.kl += (reference.exp() * (reference - own)).sum().item<double>();
    }
    return PredictionMeasures{sums.nll / static_cast<double>(count - skip),
                              sums.kl / static_cast<double>(count - skip)};
  });
}

Result<HeadMeasures> measure_heads(const Engine& engine, const std::vector<std::int64_t>& tokens,
                                   std::shared_ptr<const AttentionPlan> plan, std::int64_t skip,
                                   const RunControl& control) {
  const MeasuredPlan measured(std::move(plan), engine.config().n_layers, engine.config().n_heads, skip);
  HS_TRY(engine.run(whole_text(engine, tokens, &measured, control)));
  return measured.measures();
}

} // namespace headscope::mechanisms
