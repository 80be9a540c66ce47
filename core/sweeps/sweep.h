// SPDX-License-Identifier: GPL-3.0-or-later
// What sweeps over layers have in common: prompts walked down the layers once, and at each layer many variants
// of the rest of the forward pass as rows of one batch.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/base/task.h"
#include "core/engine/engine.h"
#include "core/prompts/prompt.h"
#include "core/scoring/metric.h"

namespace headscope {

// How many tokens go through the model at once: as asked, or for 0 what suits the device: 16384 on a GPU, which fewer
// would not fill; 1024 on the CPU, where more only take memory.
std::int64_t tokens_per_run(std::int64_t asked, const Engine& engine);

// Empty rows, and rows longer than the context, are invalid_argument; `what` names a row, e.g. "prompt".
Status check_rows(const TokenRows& rows, const ModelConfig& config, const char* what);

// Indices of the rows in chunks of similar length, so that a padded chunk times `copies` keeps to the budget of
// tokens where one row does. `equal_lengths`: no padding at all.
std::vector<std::vector<std::int64_t>> chunk_rows(const TokenRows& rows, std::int64_t copies, std::int64_t budget,
                                                  bool equal_lengths);

TokenRows select_rows(const TokenRows& rows, const std::vector<std::int64_t>& indices);

// Goes down the layers with one residual in memory; padding is on the right.
class LayerWalk {
public:
  LayerWalk(const Engine& engine, const TokenRows& rows, CancelToken cancel);

  // resid_pre of `layer` [row, pos, d_model]; layers only ever increase.
  Result<at::Tensor> resid_at(int layer);
  // Runs the block of `site` and stands before the next one. Returns the activation there.
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
  RowGroup::Residual from; // of the rows of the walk; undefined where they travel with these
  std::vector<Variant> variants;
};

// What a sweep over layers restarts from, of some rows: one run of them, kept whole where it is small enough, else
// walked through again.
class CleanRows {
public:
  // `kept`: the layers, increasing, that variants will restart at; the z of each is wanted too where they begin there.
  // `along`: variants that travel with the rows themselves, of layers that increase.
  static Result<CleanRows> run(const Engine& engine, const TokenRows& rows, const std::vector<int>& kept, bool with_z,
                               const std::vector<LayerVariants>& along, const CancelToken& cancel);

  const TokenBatch& batch() const { return walk_.batch(); }
  // Of each row's last token [row, d_vocab], and of each variant's that travelled along.
  const at::Tensor& logits() const { return logits_; }
  const at::Tensor& logits_along() const { return logits_along_; }
  // Layers only ever increase.
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

// How the rows of a walk are judged.
struct Judge {
  MetricKind metric = MetricKind::logit_diff;
  std::vector<Answers> answers; // one a row
  at::Tensor reference;         // logits [row, d_vocab]; only where the metric needs them

  // Metric of logits that belong to these rows, in this order: [row] in double precision, on the logits' device.
  Result<at::Tensor> measure(const at::Tensor& logits, const std::vector<std::int64_t>& rows) const;
  // The same, waited for.
  Result<std::vector<double>> values(const at::Tensor& logits, const std::vector<std::int64_t>& rows) const;
};

// Logits of each row's last token [row, d_vocab].
Result<at::Tensor> last_logits(const Engine& engine, const TokenRows& rows, const CancelToken& cancel);

// Metrics of variants [variant], in order, from one run: those of each layer join those of the layers before. Layers
// increase. On the engine's device, where the run may still be going on.
Result<at::Tensor> measure_together(const Engine& engine, const TokenBatch& batch,
                                    const std::vector<LayerVariants>& layers, const Judge& judge,
                                    const CancelToken& cancel);

// Runs the model from resid_pre of `layer` of a walk on, for every variant, and returns their metrics.
Result<std::vector<double>> measure_variants(const Engine& engine, LayerWalk& walk, int layer,
                                             const std::vector<Variant>& variants, const Judge& judge,
                                             std::int64_t budget, const CancelToken& cancel);

// A tensor of doubles on the CPU, as a list.
std::vector<double> to_list(const at::Tensor& values);

inline bool was_cancelled(const Error& error) { return error.code == ErrorCode::cancelled; }

// Mean of each cell over `count` slabs of `cells` values, NaN left out.
std::vector<double> mean_over_first_axis(const std::vector<double>& values, std::int64_t count, std::int64_t cells);

} // namespace headscope
