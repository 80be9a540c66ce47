// SPDX-License-Identifier: GPL-3.0-or-later
// Runs a model from tokens or a stored residual, through all or some layers, with interventions, captures and
// observers. There is one Engine per model; run() may be called from one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <variant>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/base/result.h"
#include "core/base/run_control.h"
#include "core/engine/attention.h"
#include "core/engine/attention_statistics.h"
#include "core/engine/hook.h"
#include "core/engine/intervention.h"
#include "core/engine/kv_cache.h"
#include "core/engine/row_group.h"
#include "core/model/model.h"

namespace headscope {

// Captured activations by site.
class ActivationCache {
public:
  bool contains(HookSite site) const { return tensors_.count(site) != 0; }
  // Returns not_found when the site was not captured.
  Result<at::Tensor> get(HookSite site) const;
  void put(HookSite site, at::Tensor value) { tensors_[site] = std::move(value); }
  const std::map<HookSite, at::Tensor>& all() const { return tensors_; }

private:
  std::map<HookSite, at::Tensor> tensors_;
};

// A batch of token rows of one length; padded slots are never attended to and have no meaning in outputs.
struct TokenBatch {
  at::Tensor tokens;                   // [batch, pos] int64; on the CPU
  std::vector<std::int64_t> left_pad;  // per row, or empty
  std::vector<std::int64_t> right_pad; // per row, or empty

  // Makes a batch of one row without padding.
  static TokenBatch single(const std::vector<std::int64_t>& ids);
  // Pads all rows on the given side to the length of the longest.
  enum class Side { left, right };
  static TokenBatch pad(const std::vector<std::vector<std::int64_t>>& rows, Side side, std::int64_t pad_id = 0);
};

enum class LogitRows : std::uint8_t { none, last, all }; // last: the last real token of each row

// A run that ends before this block; RunResult::resid is the block's resid_pre.
struct BeforeLayer {
  int layer = 0;
  friend bool operator==(const BeforeLayer&, const BeforeLayer&) = default;
};

// Where a run ends: with logits after all blocks (and at which tokens), or before a given block.
using RunEnd = std::variant<LogitRows, BeforeLayer>;

// Reads or replaces an activation; returns its input unchanged to only read. Runs on the engine's thread.
using HookFn = std::function<at::Tensor(HookSite, at::Tensor)>;

struct Hook {
  HookSite site;
  HookFn fn;
};

struct RunRequest {
  TokenBatch batch; // rows that do not enter from tokens use its shape and padding only
  // The rows of the batch by the layer they enter at, in increasing order and each layer once; empty: all rows enter
  // from tokens. An activation has the rows that have entered by its layer, so variants that restart at different
  // layers form one batch. Left padding is allowed in the first group only.
  std::vector<RowGroup> rows;
  KvPast past; // positions before those of the batch
  RunEnd until = LogitRows::all;
  std::vector<Intervention> interventions;
  std::vector<Hook> hooks;
  std::vector<HookSite> capture;
  // Computes each float32 product on a GPU as three half-precision ones on the tensor cores: several times as fast and
  // near float32's accuracy (core/engine/device_parts.h). Sweeps set it; without it, products are plain float32.
  bool split_matmul = false;
  // Lets a text be longer than the model's context, to see what then happens. Learned positions still end there.
  bool beyond_context = false;
  const AttentionObserver* observer = nullptr;
  const AttentionStatisticsRequest* statistics = nullptr; // of patterns, layer by layer
  const AttentionBackend* attention = nullptr;            // nullptr: the engine's
  CancelToken cancel;                                     // tested before every layer
};

struct RunResult {
  at::Tensor logits;     // all: [batch, pos, d_vocab]; last: [batch, d_vocab]; none: undefined
  at::Tensor resid;      // where the run ends before a layer: [batch, pos, d_model]
  ActivationCache cache; // what `capture` asked for
};

// The scalar that is differentiated, e.g. a logit difference.
using MetricFn = std::function<at::Tensor(const at::Tensor& logits)>;

struct BackwardHook {
  HookSite site;
  HookFn fn; // reads or replaces the gradient at the site
};

struct GradientRequest {
  RunRequest run; // all rows enter together, and no cache is appended to
  MetricFn metric;
  at::Tensor resid_gradient;       // for a run that stops early, instead of a metric: d metric / d RunResult::resid
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
  // `attention` computes attention in runs that name no other backend; null: default_attention().
  explicit Engine(std::shared_ptr<const Model> model, std::shared_ptr<const AttentionBackend> attention = nullptr)
      : model_(std::move(model)), attention_(std::move(attention)) {}

  const Model& model() const { return *model_; }
  const ModelConfig& config() const { return model_->config; }
  // How attention is computed in runs that name no other backend.
  const AttentionBackend& attention() const { return attention_ ? *attention_ : default_attention(); }
  // The longest text in tokens that runs under that attention: the model's context, or no bound where attention places
  // every key within it.
  std::int64_t longest_text() const;
  // Returns mismatch, at `field`, where a text of so many tokens is longer; `what` begins the sentence.
  Status check_length(std::int64_t tokens, const std::string& what, const std::string& field) const;

  Result<RunResult> run(const RunRequest& request) const;
  Result<GradientResult> run_with_gradients(const GradientRequest& request) const;

private:
  const AttentionBackend& attention_for(const RunRequest& request) const;

  std::shared_ptr<const Model> model_;
  std::shared_ptr<const AttentionBackend> attention_;
};

} // namespace headscope
