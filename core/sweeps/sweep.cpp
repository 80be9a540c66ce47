// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/sweeps/sweep.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <ATen/ATen.h>

#include "core/engine/device.h"
#include "core/engine/finite_logits.h"
#include "core/model/guard.h"

namespace headscope {
namespace {

// The most bytes kept of resid_pre and z at the layers that a sweep restarts at; beyond it they are recomputed layer by
// layer.
std::int64_t most_kept(const at::Device& device) { return std::int64_t{1} << (device.is_cuda() ? 32 : 29); }

std::int64_t length_of(const TokenRows& rows, std::int64_t row) {
  return static_cast<std::int64_t>(rows[static_cast<std::size_t>(row)].size());
}

// Selects rows of a walk's batch; the engine and padding need only their shape.
TokenBatch batch_of(const TokenBatch& batch, const std::vector<std::int64_t>& rows) {
  TokenBatch out;
  out.tokens = batch.tokens.index_select(0, at::tensor(rows, at::kLong));
  if (batch.right_pad.empty()) return out;
  for (const std::int64_t row : rows)
    out.right_pad.push_back(batch.right_pad[static_cast<std::size_t>(row)]);
  return out;
}

// The row of the walk that each variant is of.
std::vector<std::int64_t> rows_of(const LayerVariants& layer) {
  std::vector<std::int64_t> rows;
  for (const Variant& variant : layer.variants)
    rows.push_back(variant.row);
  return rows;
}

RowGroup group_of(const LayerVariants& layer) {
  const at::Tensor index = queued_copy(at::tensor(rows_of(layer), at::kLong), layer.from.resid.device());
  RowGroup::Residual from{layer.from.resid.index_select(0, index)};
  if (layer.from.z.defined()) from.z = layer.from.z.index_select(0, index);
  return RowGroup::from_residual(layer.layer, std::move(from));
}

// Adds the variants' interventions in rows from `first` on, and returns the rows that the variants are of.
std::vector<std::int64_t> add_variants(const std::vector<LayerVariants>& layers, std::int64_t first,
                                       RunRequest& request) {
  std::vector<std::int64_t> rows;
  for (const LayerVariants& layer : layers)
    for (const Variant& variant : layer.variants) {
      if (variant.intervention) {
        request.interventions.push_back(*variant.intervention);
        request.interventions.back().row = first + std::ssize(rows);
      }
      rows.push_back(variant.row);
    }
  return rows;
}

RunRequest variant_request(const TokenBatch& batch, const std::vector<LayerVariants>& layers,
                           std::vector<std::int64_t>& rows) {
  RunRequest request;
  for (const LayerVariants& layer : layers)
    request.rows.push_back(group_of(layer));
  rows = add_variants(layers, 0, request);
  request.batch = batch_of(batch, rows);
  request.split_matmul = true;
  request.until = LogitRows::last;
  return request;
}

} // namespace

std::int64_t tokens_per_run(std::int64_t asked, const Engine& engine) {
  if (asked > 0) return asked;
  return engine.model().device.is_cuda() ? 16384 : 1024;
}

Status check_rows(const TokenRows& rows, const Engine& engine, const char* what) {
  const ModelConfig& config = engine.config();
  const std::int64_t longest = engine.longest_text();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string name = std::string(what) + " " + std::to_string(i);
    if (rows[i].empty()) return make_error(ErrorCode::invalid_argument, name + " is empty", {}, "tokens");
    if (std::ssize(rows[i]) > longest)
      return make_error(ErrorCode::invalid_argument,
                        name + " has " + std::to_string(rows[i].size()) + " tokens, the model's context " +
                            std::to_string(config.n_ctx),
                        {}, "tokens");
    for (const std::int64_t id : rows[i])
      if (id < 0 || id >= config.d_vocab)
        return make_error(ErrorCode::invalid_argument,
                          name + " has token id " + std::to_string(id) + ", the vocabulary " +
                              std::to_string(config.d_vocab) + " tokens",
                          {}, "tokens");
  }
  return {};
}

std::vector<std::vector<std::int64_t>> chunk_rows(const TokenRows& rows, std::int64_t copies, std::int64_t budget,
                                                  bool equal_lengths) {
  std::vector<std::int64_t> order(rows.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return length_of(rows, a) < length_of(rows, b); });
  std::vector<std::vector<std::int64_t>> chunks;
  for (const std::int64_t row : order) {
    const std::int64_t width = length_of(rows, row);
    const bool joins = !chunks.empty() &&
                       (static_cast<std::int64_t>(chunks.back().size()) + 1) * width * copies <= budget &&
                       (!equal_lengths || length_of(rows, chunks.back().front()) == width);
    if (!joins) chunks.emplace_back();
    chunks.back().push_back(row);
  }
  return chunks;
}

TokenRows select_rows(const TokenRows& rows, const std::vector<std::int64_t>& indices) {
  TokenRows out;
  for (const std::int64_t index : indices)
    out.push_back(rows[static_cast<std::size_t>(index)]);
  return out;
}

LayerWalk::LayerWalk(const Engine& engine, const TokenRows& rows, CancelToken cancel)
    : engine_(engine), batch_(TokenBatch::pad(rows, TokenBatch::Side::right)), cancel_(std::move(cancel)) {}

RunRequest LayerWalk::request_to(int layer) const {
  RunRequest request;
  request.batch = batch_;
  if (layer_ >= 0) request.rows = {RowGroup::from_residual(layer_, resid_)};
  request.until = BeforeLayer{layer};
  request.split_matmul = true;
  request.cancel = cancel_;
  return request;
}

Result<at::Tensor> LayerWalk::resid_at(int layer) {
  if (layer < layer_) return make_error(ErrorCode::internal, "a walk cannot go back to layer " + std::to_string(layer));
  if (layer > layer_) {
    HS_ASSIGN(const RunResult result, engine_.run(request_to(layer)));
    resid_ = result.resid;
    layer_ = layer;
  }
  return resid_;
}

Result<at::Tensor> LayerWalk::capture(HookSite site) {
  HS_TRY(resid_at(site.layer));
  RunRequest request = request_to(site.layer + 1);
  request.capture = {site};
  HS_ASSIGN(const RunResult result, engine_.run(request));
  resid_ = result.resid;
  layer_ = site.layer + 1;
  return result.cache.get(site);
}

RunRequest CleanRows::request_with(const std::vector<LayerVariants>& along) const {
  const std::int64_t own = batch().tokens.size(0);
  RunRequest request;
  request.until = LogitRows::last;
  request.split_matmul = true;
  std::vector<std::int64_t> rows(static_cast<std::size_t>(own));
  std::iota(rows.begin(), rows.end(), 0);
  const std::vector<std::int64_t> variants = add_variants(along, own, request);
  rows.insert(rows.end(), variants.begin(), variants.end());
  request.batch = batch_of(batch(), rows);
  request.rows = {RowGroup::from_tokens()};
  for (const LayerVariants& layer : along)
    request.rows.push_back(RowGroup::copies(layer.layer, rows_of(layer), with_z_));
  return request;
}

// Keeps activations of the clean rows, not of the variants after them.
void CleanRows::keep(const std::vector<int>& layers, const Engine& engine, RunRequest& request) {
  const ModelConfig& config = engine.config();
  const std::int64_t width = config.d_model + (with_z_ ? config.n_heads * config.d_head : 0);
  const std::int64_t bytes = batch().tokens.numel() * width * static_cast<std::int64_t>(layers.size()) *
                             static_cast<std::int64_t>(c10::elementSize(engine.model().dtype));
  if (bytes > most_kept(engine.model().device)) return;
  const HookFn copy = [this, own = batch().tokens.size(0)](HookSite site, at::Tensor x) {
    kept_.put(site, x.narrow(0, 0, own).clone(at::MemoryFormat::Contiguous));
    return x;
  };
  for (const int layer : layers) {
    request.hooks.push_back({{HookPoint::resid_pre, layer}, copy});
    if (with_z_) request.hooks.push_back({{HookPoint::z, layer}, copy});
  }
}

Result<CleanRows> CleanRows::run(const Engine& engine, const TokenRows& rows, const std::vector<int>& kept, bool with_z,
                                 const std::vector<LayerVariants>& along, const CancelToken& cancel) {
  CleanRows clean(engine, rows, with_z, cancel);
  const std::int64_t own = clean.batch().tokens.size(0);
  RunRequest request = clean.request_with(along);
  request.cancel = cancel;
  clean.keep(kept, engine, request);
  HS_ASSIGN(const RunResult result, engine.run(request));
  clean.logits_ = result.logits.narrow(0, 0, own);
  clean.logits_along_ = result.logits.narrow(0, own, result.logits.size(0) - own);
  return clean;
}

Result<RowGroup::Residual> CleanRows::at(int layer) {
  RowGroup::Residual from;
  if (kept_.contains({HookPoint::resid_pre, layer})) {
    HS_ASSIGN(from.resid, kept_.get({HookPoint::resid_pre, layer}));
    if (with_z_) {
      HS_ASSIGN(from.z, kept_.get({HookPoint::z, layer}));
    }
    return from;
  }
  HS_ASSIGN(from.resid, walk_.resid_at(layer));
  if (with_z_) {
    HS_ASSIGN(from.z, walk_.capture({HookPoint::z, layer}));
  }
  return from;
}

Result<at::Tensor> Judge::measure(const at::Tensor& logits, const std::vector<std::int64_t>& rows) const {
  return guarded("computing the metric", [&]() -> Result<at::Tensor> {
    std::vector<Answers> of_rows;
    if (needs_answers(metric))
      for (const std::int64_t row : rows)
        of_rows.push_back(answers[static_cast<std::size_t>(row)]);
    at::Tensor expected;
    if (needs_reference(metric))
      expected = reference.index_select(0, queued_copy(at::tensor(rows, at::kLong), reference.device()));
    return metric_values(metric, logits, of_rows, expected);
  });
}

Result<std::vector<double>> Judge::values(const at::Tensor& logits, const std::vector<std::int64_t>& rows) const {
  return guarded("computing the metric", [&]() -> Result<std::vector<double>> {
    HS_ASSIGN(const at::Tensor values, measure(logits, rows));
    return to_list(values.to(at::kCPU));
  });
}

std::vector<double> to_list(const at::Tensor& values) {
  const at::Tensor dense = values.contiguous();
  return {dense.const_data_ptr<double>(), dense.const_data_ptr<double>() + dense.numel()};
}

Result<at::Tensor> last_logits(const Engine& engine, const TokenRows& rows, const CancelToken& cancel) {
  RunRequest request;
  request.batch = TokenBatch::pad(rows, TokenBatch::Side::right);
  request.until = LogitRows::last;
  request.split_matmul = true;
  request.cancel = cancel;
  HS_ASSIGN(const RunResult result, engine.run(request));
  HS_TRY(check_finite(result.logits, engine.model()));
  return result.logits;
}

Result<std::vector<double>> measure_variants(const Engine& engine, LayerWalk& walk, int layer,
                                             const std::vector<Variant>& variants, const Judge& judge,
                                             std::int64_t budget, const CancelToken& cancel) {
  HS_ASSIGN(const at::Tensor resid, walk.resid_at(layer));
  const auto rows_per_run = static_cast<std::size_t>(std::max<std::int64_t>(1, budget / resid.size(1)));
  std::vector<double> out;
  for (std::size_t begin = 0; begin < variants.size(); begin += rows_per_run) {
    const auto some = std::span(variants).subspan(begin, std::min(rows_per_run, variants.size() - begin));
    HS_ASSIGN(const at::Tensor measured,
              measure_together(engine, walk.batch(), {{layer, {resid}, {some.begin(), some.end()}}}, judge, cancel));
    const std::vector<double> values = to_list(measured.to(at::kCPU));
    out.insert(out.end(), values.begin(), values.end());
  }
  return out;
}

Result<at::Tensor> measure_together(const Engine& engine, const TokenBatch& batch,
                                    const std::vector<LayerVariants>& layers, const Judge& judge,
                                    const CancelToken& cancel) {
  return guarded("running the variants", [&]() -> Result<at::Tensor> {
    std::vector<std::int64_t> rows; // the walk's row of each variant
    RunRequest request = variant_request(batch, layers, rows);
    request.cancel = cancel;
    HS_ASSIGN(const RunResult result, engine.run(request));
    return judge.measure(result.logits, rows);
  });
}

std::vector<double> mean_over_first_axis(const std::vector<double>& values, std::int64_t count, std::int64_t cells) {
  std::vector<double> out(static_cast<std::size_t>(cells), std::numeric_limits<double>::quiet_NaN());
  for (std::size_t cell = 0; cell < out.size(); ++cell) {
    double sum = 0.0;
    std::int64_t measured = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      const double value = values[static_cast<std::size_t>(i) * out.size() + cell];
      if (std::isnan(value)) continue;
      sum += value;
      ++measured;
    }
    if (measured > 0) out[cell] = sum / static_cast<double>(measured);
  }
  return out;
}

} // namespace headscope
