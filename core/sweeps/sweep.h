// SPDX-License-Identifier: GPL-3.0-or-later
// What sweeps over layers share: prompts are run through the layers once, and at each layer many variants of the rest
// of the forward pass are run as rows of one batch.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/base/run_control.h"
#include "core/engine/engine.h"
#include "core/prompts/prompt.h"
#include "core/scoring/metric.h"

namespace headscope {

// How many tokens are run at once: `asked`, or for 0 what suits the device: 16384 on a GPU, which fewer would not fill;
// 1024 on the CPU, where more only take memory.
std::int64_t tokens_per_run(std::int64_t asked, const Engine& engine);

// Returns invalid_argument for empty rows and rows longer than what runs under the engine's attention; `what` names a
// row, e.g. "prompt".
Status check_rows(const TokenRows& rows, const Engine& engine, const char* what);

// Puts the indices of the rows into chunks of similar length, so that a padded chunk times `copies` stays within the
// budget of tokens wherever one row does. `equal_lengths`: chunks have no padding at all.
std::vector<std::vector<std::int64_t>> chunk_rows(const TokenRows& rows, std::int64_t copies, std::int64_t budget,
                                                  bool equal_lengths);

TokenRows select_rows(const TokenRows& rows, const std::vector<std::int64_t>& indices);

// Runs the layers one by one with a single residual in memory; padding is on the right.
class LayerWalk {
public:
  LayerWalk(const Engine& engine, const TokenRows& rows, CancelToken cancel);

  // resid_pre of `layer` [row, pos, d_model]; calls must ask for increasing layers.
  Result<at::Tensor> resid_at(int layer);
  // Runs the block of `site`, stops before the next one, and returns the activation at the site.
  Result<at::Tensor> capture(HookSite site);
  const TokenBatch& batch() const { return batch_; }

private:
  RunRequest request_to(int layer) const;

  const Engine& engine_;
  TokenBatch batch_;
  CancelToken cancel_;
  int layer_ = -1; // of resid_; -1: nothing has run yet
  at::Tensor resid_;
};

struct Variant {
  std::int64_t row = 0;                     // of the walk
  std::optional<Intervention> intervention; // its `row` is filled in; unset: nothing is changed
};

// Variants that begin at one layer.
struct LayerVariants {
  int layer = 0;
  RowGroup::Residual from; // of the walk's rows; undefined where variants are run together with these
  std::vector<Variant> variants;
};

// The activations that a sweep over layers restarts from: all kept from one run of the rows where that is small enough,
// otherwise recomputed layer by layer.
class CleanRows {
public:
  // `kept` are the layers, increasing, that variants restart at; z is kept too where they restart there. `along` are
  // variants that are run together with the rows, by increasing layer.
  static Result<CleanRows> run(const Engine& engine, const TokenRows& rows, const std::vector<int>& kept, bool with_z,
                               const std::vector<LayerVariants>& along, const CancelToken& cancel);

  const TokenBatch& batch() const { return walk_.batch(); }
  // Logits at the last token of each row, then of each variant run along with them [row, d_vocab].
  const at::Tensor& logits() const { return logits_; }
  const at::Tensor& logits_along() const { return logits_along_; }
  // Calls must ask for increasing layers.
  Result<RowGroup::Residual> at(int layer);

private:
  CleanRows(const Engine& engine, const TokenRows& rows, bool with_z, CancelToken cancel)
      : walk_(engine, rows, std::move(cancel)), with_z_(with_z) {}
  RunRequest request_with(const std::vector<LayerVariants>& along) const;
  void keep(const std::vector<int>& layers, const Engine& engine, RunRequest& request);

  LayerWalk walk_;
  bool with_z_;
  at::Tensor logits_, logits_along_;
  ActivationCache kept_; // empty: too large
};

// Measures the metric of a walk's rows.
struct Judge {
  MetricKind metric = MetricKind::logit_diff;
  std::vector<Answers> answers; // one a row
  at::Tensor reference;         // logits [row, d_vocab]; only where the metric needs them

  // The metric of logits that belong to these rows, in this order: [row] in double precision, on the logits' device.
  Result<at::Tensor> measure(const at::Tensor& logits, const std::vector<std::int64_t>& rows) const;
  // The same, after waiting for the device.
  Result<std::vector<double>> values(const at::Tensor& logits, const std::vector<std::int64_t>& rows) const;
};

// The logits of each row's last token [row, d_vocab].
Result<at::Tensor> last_logits(const Engine& engine, const TokenRows& rows, const CancelToken& cancel);

// Metrics of variants [variant], in order, from one run that variants join at increasing layers. The tensor is on the
// engine's device, where the run may still be in progress.
Result<at::Tensor> measure_together(const Engine& engine, const TokenBatch& batch,
                                    const std::vector<LayerVariants>& layers, const Judge& judge,
                                    const CancelToken& cancel);

// Runs every variant from the walk's resid_pre of `layer` on, and returns their metrics.
Result<std::vector<double>> measure_variants(const Engine& engine, LayerWalk& walk, int layer,
                                             const std::vector<Variant>& variants, const Judge& judge,
                                             std::int64_t budget, const CancelToken& cancel);

// Copies a tensor of doubles on the CPU into a list.
std::vector<double> to_list(const at::Tensor& values);

inline bool was_cancelled(const Error& error) { return error.code == ErrorCode::cancelled; }

// The mean of each cell over `count` slabs of `cells` values, ignoring NaN.
std::vector<double> mean_over_first_axis(const std::vector<double>& values, std::int64_t count, std::int64_t cells);

} // namespace headscope
