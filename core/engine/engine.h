// SPDX-License-Identifier: GPL-3.0-or-later
// Runs a model: from tokens or from a stored residual, through all or some layers, with interventions,
// captures and observers. One Engine per model; run() may be called from one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/base/result.h"
#include "core/base/task.h"
#include "core/engine/attention.h"
#include "core/engine/attention_statistics.h"
#include "core/engine/hook.h"
#include "core/engine/intervention.h"
#include "core/model/model.h"

namespace headscope {

// Activations by site; only those that were asked for.
class ActivationCache {
public:
  bool contains(HookSite site) const { return tensors_.count(site) != 0; }
  // not_found when the site was not captured.
  Result<at::Tensor> get(HookSite site) const;
  void put(HookSite site, at::Tensor value) { tensors_[site] = std::move(value); }
  const std::map<HookSite, at::Tensor>& all() const { return tensors_; }

private:
  std::map<HookSite, at::Tensor> tensors_;
};

// Rotated keys and values of each layer, [batch, slots, kv_head_index, d_head]; grows by doubling.
class KvCache {
public:
  std::int64_t length() const { return length_; }
  std::int64_t rows() const { return layers_.empty() ? 0 : layers_.front().k.size(0); }
  // A cache of its own whose row i is this one's row rows[i]: repeats a prefill, or leaves rows out.
  KvCache select_rows(const std::vector<std::int64_t>& rows) const;

private:
  friend class ForwardPass;
  struct Layer {
    at::Tensor k, v;
  };
  std::vector<Layer> layers_;
  std::int64_t length_ = 0;
};

// A batch of token rows of one length; padded slots are never attended to and have no meaning in outputs.
struct TokenBatch {
  at::Tensor tokens;                   // [batch, pos] int64; on the CPU
  std::vector<std::int64_t> left_pad;  // per row, or empty
  std::vector<std::int64_t> right_pad; // per row, or empty

  // One row, no padding.
  static TokenBatch single(const std::vector<std::int64_t>& ids);
  // Pads to the longest row on the given side.
  enum class Side { left, right };
  static TokenBatch pad(const std::vector<std::vector<std::int64_t>>& rows, Side side, std::int64_t pad_id = 0);
};

enum class LogitRows : std::uint8_t { none, last, all }; // last: the last real token of each row

// Rows that begin as copies of others of the same run.
struct RowCopies {
  int layer = 0;
  std::vector<std::int64_t> of; // rows of the batch that are there by then, one a copy
  bool at_z = false;            // copied at the block's z; else at its resid_pre
};

struct ResidualStart {
  int layer = 0;    // the first block to run
  at::Tensor resid; // resid_pre of that block, [batch, pos, d_model]
  // The block's z too, [batch, pos, head_index, d_head]: the block then begins at its output matrix. Undefined: at its
  // first norm.
  at::Tensor z = {};
};

// Read or replace an activation; return the input unchanged to only read. Runs on the engine's thread.
using HookFn = std::function<at::Tensor(HookSite, at::Tensor)>;

struct Hook {
  HookSite site;
  HookFn fn;
};

struct RunRequest {
  TokenBatch batch; // tokens are still needed for padding when `start` is given; may then be shape-only
  std::optional<ResidualStart> start; // skip the embedding and the layers before
  // Rows that come in at later layers, each layer once and increasing, behind the rows already there: variants that
  // restart at different layers travel as one batch. `batch` has all rows in that order, without padding on the left;
  // an activation of a layer has the rows that are there by then.
  std::vector<ResidualStart> joins;
  // The same in a run from tokens: variants that travel with the run they are variants of. The tokens of a copy are
  // shape only; it has the padding of its row.
  std::vector<RowCopies> copies;
  int stop_layer = -1; // run blocks [start, stop_layer); -1: all, then final norm and unembedding
  std::vector<Intervention> interventions;
  std::vector<Hook> hooks;
  std::vector<HookSite> capture;
  LogitRows logits = LogitRows::all;
  // float32 on a GPU: products as three of halves on the tensor cores, several times as fast and near float32's
  // accuracy (core/engine/device_parts.h). Sweeps do; elsewhere numbers are those of float32 products.
  bool split_matmul = false;
  KvCache* kv_cache = nullptr; // appended to; a non-empty cache makes this a decode step
  // Keys and values of positions before this run's, which follow them; only read, so that a run may start and stop at
  // any layer, pad on the right and be differentiated. Rows: those of the run.
  const KvCache* kv_prefix = nullptr;
  // Of a run over the first tokens of prompts whose rest follows in a later one: how many slots they will have. The
  // rotary base of some models depends on it. Fewer than this run's: those of this run.
  std::int64_t prompt_length = 0;
  const AttentionObserver* observer = nullptr;
  const AttentionStatisticsRequest* statistics = nullptr; // of patterns, layer by layer
  const AttentionBackend* attention = nullptr;            // nullptr: the engine's
  CancelToken cancel;                                     // looked at before every layer
};

struct RunResult {
  at::Tensor logits;     // all: [batch, pos, d_vocab]; last: [batch, d_vocab]; none or stopped early: undefined
  at::Tensor resid;      // resid_pre of stop_layer when stopped early, [batch, pos, d_model]
  ActivationCache cache; // what `capture` asked for
};

// A scalar of the run that gradients are taken of, e.g. a logit difference.
using MetricFn = std::function<at::Tensor(const at::Tensor& logits)>;

struct BackwardHook {
  HookSite site;
  HookFn fn; // reads or replaces the gradient at the site
};

struct GradientRequest {
  RunRequest run; // kv_cache must be null
  MetricFn metric;
  at::Tensor resid_gradient;       // of a run that stops early, in place of a metric: d metric / d RunResult::resid
  std::vector<HookSite> gradients; // sites whose d metric / d activation is wanted
  std::vector<BackwardHook> backward_hooks;
};

struct GradientResult {
  double metric = 0.0; // 0 of a run that stops early
  at::Tensor logits;
  ActivationCache cache;     // forward values of run.capture
  ActivationCache gradients; // same axes as the activations
};

class Engine {
public:
  // `attention`: what computes attention where a run names nothing else; null: default_attention().
  explicit Engine(std::shared_ptr<const Model> model, std::shared_ptr<const AttentionBackend> attention = nullptr)
      : model_(std::move(model)), attention_(std::move(attention)) {}

  const Model& model() const { return *model_; }
  const ModelConfig& config() const { return model_->config; }

  Result<RunResult> run(const RunRequest& request) const;
  Result<GradientResult> run_with_gradients(const GradientRequest& request) const;

private:
  const AttentionBackend& attention_for(const RunRequest& request) const;

  std::shared_ptr<const Model> model_;
  std::shared_ptr<const AttentionBackend> attention_;
};

} // namespace headscope
