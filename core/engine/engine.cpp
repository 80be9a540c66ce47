// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/engine.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/engine/forward.h"
#include "core/model/guard.h"

namespace headscope {
namespace {

Status check_padding(const std::vector<std::int64_t>& padding, const char* field, std::int64_t batch,
                     std::int64_t count) {
  if (padding.empty()) return {};
  if (static_cast<std::int64_t>(padding.size()) != batch)
    return make_error(ErrorCode::mismatch, "must have one entry a row", {}, field);
  for (const std::int64_t pad : padding)
    if (pad < 0 || pad >= count)
      return make_error(ErrorCode::invalid_argument, "every row needs at least one token", {}, field);
  return {};
}

Status check_tokens(const RunRequest& request, const ModelConfig& config) {
  const at::Tensor& tokens = request.batch.tokens;
  if (!tokens.defined() || tokens.dim() != 2 || tokens.scalar_type() != at::kLong)
    return make_error(ErrorCode::invalid_argument, "must be int64 [batch, pos]", {}, "tokens");
  if (tokens.numel() == 0) return make_error(ErrorCode::invalid_argument, "the prompt is empty", {}, "tokens");
  if (request.start) return {}; // shape only
  const auto low = tokens.min().item<std::int64_t>(), high = tokens.max().item<std::int64_t>();
  if (low < 0 || high >= config.d_vocab)
    return make_error(ErrorCode::invalid_argument,
                      "token id " + std::to_string(low < 0 ? low : high) + " is outside the vocabulary of " +
                          std::to_string(config.d_vocab),
                      {}, "tokens");
  return {};
}

// Shapes of rows that enter at a layer.
Status check_start(const ResidualStart& start, const at::Tensor& tokens, const ModelConfig& config,
                   const std::string& field) {
  const at::Tensor &resid = start.resid, &z = start.z;
  if (!resid.defined() || resid.dim() != 3 || resid.size(1) != tokens.size(1) || resid.size(2) != config.d_model)
    return make_error(ErrorCode::mismatch, "must be [batch, pos, d_model] with the pos of the tokens", {},
                      field + ".resid");
  if (!z.defined()) return {};
  if (z.dim() != 4 || z.size(0) != resid.size(0) || z.size(1) != resid.size(1) || z.size(2) != config.n_heads ||
      z.size(3) != config.d_head)
    return make_error(ErrorCode::mismatch, "must be [batch, pos, head_index, d_head] with the batch and pos of resid",
                      {}, field + ".z");
  return {};
}

// Where a row enters: at a block's first norm or at its z.
struct Entry {
  int layer = 0;
  bool at_z = false;
};

Entry entry_of(const ResidualStart& start) { return {start.layer, start.z.defined()}; }

// Whether rows that enter so come in behind this point of their first block.
bool leaves_out(const Entry& entry, HookSite site) {
  return site.layer == entry.layer && entry.at_z && site.point >= HookPoint::resid_pre &&
         site.point <= HookPoint::pattern;
}

// Where a block begins at its z, nothing before z is computed: whoever asks for it must be told.
Status check_z(const RunRequest& request, const ModelConfig& config) {
  if (!request.start->z.defined()) return {};
  if (request.start->layer == config.n_layers || request.stop_layer == request.start->layer)
    return make_error(ErrorCode::invalid_argument, "no block runs that it could begin", {}, "start.z");
  if (request.kv_cache || request.statistics || request.observer)
    return make_error(ErrorCode::invalid_argument, "the attention of its block is not computed", {}, "start.z");
  const auto skipped = [&](HookSite site) { return leaves_out(entry_of(*request.start), site); };
  const auto refuse = [](HookSite site) {
    return make_error(ErrorCode::invalid_argument, "is not computed: the run begins at the z of its block", {},
                      hook_name(site));
  };
  for (const Intervention& intervention : request.interventions)
    if (skipped(intervention.site)) return refuse(intervention.site);
  for (const Hook& hook : request.hooks)
    if (skipped(hook.site)) return refuse(hook.site);
  for (const HookSite& site : request.capture)
    if (skipped(site)) return refuse(site);
  return {};
}

// Of every row.
std::vector<Entry> entries(const RunRequest& request) {
  std::vector<Entry> rows;
  if (request.start) rows.assign(static_cast<std::size_t>(request.start->resid.size(0)), entry_of(*request.start));
  for (const ResidualStart& join : request.joins)
    rows.insert(rows.end(), static_cast<std::size_t>(join.resid.size(0)), entry_of(join));
  if (!request.copies.empty()) rows.resize(static_cast<std::size_t>(first_rows(request)));
  for (const RowCopies& copies : request.copies)
    rows.insert(rows.end(), copies.of.size(), {copies.layer, copies.at_z});
  return rows;
}

// What rows that enter later do not go with, whether they join or are copies.
Status check_later_rows(const RunRequest& request, const char* field) {
  const auto bad = [&](const char* what) { return make_error(ErrorCode::invalid_argument, what, {}, field); };
  if (request.stop_layer >= 0) return bad("rows only join a run through all later layers");
  if (request.kv_cache || request.kv_prefix || request.statistics || request.observer ||
      !request.batch.left_pad.empty())
    return bad("do not go with a KV cache, statistics, an observer or padding on the left");
  const std::vector<Entry> entry = entries(request);
  for (const Intervention& x : request.interventions) {
    if (!x.row || *x.row < 0 || *x.row >= std::ssize(entry)) continue; // the plan checks the row
    const Entry& start = entry[static_cast<std::size_t>(*x.row)];
    if (x.site.layer < start.layer || leaves_out(start, x.site))
      return make_error(ErrorCode::invalid_argument, "row " + std::to_string(*x.row) + " only joins after this point",
                        {}, hook_name(x.site));
  }
  return {};
}

Status check_joins(const RunRequest& request, const ModelConfig& config) {
  if (request.joins.empty()) return {};
  int before = request.start->layer;
  for (const ResidualStart& join : request.joins) {
    if (join.layer <= before || join.layer >= config.n_layers)
      return make_error(ErrorCode::invalid_argument, "layers must increase and exist", {}, "joins");
    before = join.layer;
  }
  return check_later_rows(request, "joins");
}

Status check_copies(const RunRequest& request, const ModelConfig& config) {
  if (request.copies.empty()) return {};
  const auto bad = [](const char* what) { return make_error(ErrorCode::invalid_argument, what, {}, "copies"); };
  if (request.start) return bad("are of a run from tokens");
  const auto& pad = request.batch.right_pad;
  const auto padding = [&](std::int64_t row) { return pad.empty() ? 0 : pad[static_cast<std::size_t>(row)]; };
  std::int64_t there = first_rows(request);
  if (there < 1 || (!pad.empty() && std::ssize(pad) != request.batch.tokens.size(0)))
    return bad("need rows of their own in the batch, beside those that they are copies of");
  int before = -1;
  for (const RowCopies& copies : request.copies) {
    if (copies.layer <= before || copies.layer >= config.n_layers) return bad("layers must increase and exist");
    before = copies.layer;
    for (std::size_t i = 0; i < copies.of.size(); ++i) {
      const std::int64_t row = copies.of[i];
      if (row < 0 || row >= there) return bad("a row is not there yet");
      if (padding(row) != padding(there + static_cast<std::int64_t>(i))) return bad("must be padded as their rows are");
    }
    there += std::ssize(copies.of);
  }
  return check_later_rows(request, "copies");
}

Status check_layers(const RunRequest& request, const ModelConfig& config) {
  const int n_layers = static_cast<int>(config.n_layers);
  const int begin = request.start ? request.start->layer : 0;
  if (begin < 0 || begin > n_layers)
    return make_error(ErrorCode::invalid_argument, "must be 0 to " + std::to_string(n_layers), {}, "start.layer");
  if (request.stop_layer > n_layers || (request.stop_layer >= 0 && request.stop_layer < begin))
    return make_error(ErrorCode::invalid_argument,
                      "must be " + std::to_string(begin) + " to " + std::to_string(n_layers), {}, "stop_layer");
  HS_TRY(check_copies(request, config));
  if (!request.start)
    return request.joins.empty()
               ? Status{}
               : make_error(ErrorCode::invalid_argument, "need a run that starts from a residual", {}, "joins");
  HS_TRY(check_start(*request.start, request.batch.tokens, config, "start"));
  std::int64_t rows = request.start->resid.size(0);
  for (const ResidualStart& join : request.joins) {
    HS_TRY(check_start(join, request.batch.tokens, config, "joins"));
    rows += join.resid.size(0);
  }
  if (rows != request.batch.tokens.size(0))
    return make_error(ErrorCode::mismatch,
                      "has " + std::to_string(rows) + " rows with those that join, the tokens have " +
                          std::to_string(request.batch.tokens.size(0)),
                      {}, "start.resid");
  HS_TRY(check_joins(request, config));
  return check_z(request, config);
}

Status check_prefix(const RunRequest& request, std::int64_t batch) {
  if (!request.kv_prefix) return {};
  if (request.kv_cache || !request.joins.empty() || !request.batch.left_pad.empty())
    return make_error(ErrorCode::invalid_argument, "does not go with a KV cache, joining rows or padding on the left",
                      {}, "kv_prefix");
  if (request.kv_prefix->rows() == batch) return {};
  return make_error(ErrorCode::mismatch,
                    "has " + std::to_string(request.kv_prefix->rows()) + " rows, the tokens have " +
                        std::to_string(batch),
                    {}, "kv_prefix");
}

Result<RunSpan> span_of(const RunRequest& request, const ModelConfig& config) {
  HS_TRY(check_tokens(request, config));
  HS_TRY(check_layers(request, config));
  if (request.statistics) HS_TRY(check_statistics(*request.statistics));
  RunSpan span;
  span.batch = request.batch.tokens.size(0);
  span.count = request.batch.tokens.size(1);
  span.cached = request.kv_cache != nullptr;
  HS_TRY(check_prefix(request, span.batch));
  span.begin = request.kv_cache ? request.kv_cache->length() : request.kv_prefix ? request.kv_prefix->length() : 0;
  HS_TRY(check_padding(request.batch.left_pad, "left_pad", span.batch, span.begin + span.count));
  HS_TRY(check_padding(request.batch.right_pad, "right_pad", span.batch, span.count));
  if (span.cached && !request.batch.right_pad.empty())
    return make_error(ErrorCode::invalid_argument, "padding on the right does not go with a KV cache; pad on the left",
                      {}, "right_pad");
  if (span.cached && (request.start || request.stop_layer >= 0))
    return make_error(ErrorCode::invalid_argument, "a KV cache needs a run through all layers", {}, "kv_cache");
  if (span.begin + span.count > config.n_ctx)
    return make_error(ErrorCode::mismatch,
                      "the prompt has " + std::to_string(span.begin + span.count) + " tokens, the model's context " +
                          std::to_string(config.n_ctx),
                      {}, "tokens");
  return span;
}

// What a differentiated run asks for beyond a plain one.
struct Differentiation {
  const std::vector<HookSite>& gradients;
  const std::vector<BackwardHook>& hooks;
};

Result<HookPlan> plan_for(const RunRequest& request, const Differentiation& more, const ModelConfig& config,
                          const RunSpan& span) {
  return HookPlan::build(request, more.gradients, more.hooks, config, span);
}

// `gradient`: of what is differentiated; undefined for a single number.
void differentiate(const at::Tensor& of, const at::Tensor& gradient, const std::vector<HookSite>& sites,
                   const ActivationCache& targets, ActivationCache& out) {
  const std::vector<at::Tensor> from = gradient.defined() ? std::vector{gradient} : std::vector<at::Tensor>{};
  std::vector<at::Tensor> inputs;
  for (const HookSite& site : sites)
    inputs.push_back(targets.all().at(site));
  if (inputs.empty()) {
    torch::autograd::backward({of}, from);
    return;
  }
  const auto gradients = torch::autograd::grad({of}, inputs, from, false, false, /*allow_unused=*/true);
  for (std::size_t i = 0; i < sites.size(); ++i)
    out.put(sites[i], gradients[i].defined() ? gradients[i] : at::zeros_like(inputs[i]));
}

// What is differentiated, with its gradient.
Status check_goal(const GradientRequest& request) {
  const bool stops = request.run.stop_layer >= 0;
  if (!stops && !request.metric) return make_error(ErrorCode::invalid_argument, "no metric is given", {}, "metric");
  if (stops && !request.resid_gradient.defined())
    return make_error(ErrorCode::invalid_argument, "is needed of a run that stops early", {}, "resid_gradient");
  return {};
}

} // namespace

Result<at::Tensor> ActivationCache::get(HookSite site) const {
  const auto it = tensors_.find(site);
  if (it == tensors_.end()) return make_error(ErrorCode::not_found, "was not captured", {}, hook_name(site));
  return it->second;
}

const AttentionBackend& Engine::attention_for(const RunRequest& request) const {
  if (request.attention) return *request.attention;
  return attention_ ? *attention_ : default_attention();
}

KvCache KvCache::select_rows(const std::vector<std::int64_t>& rows) const {
  KvCache out;
  out.length_ = length_;
  const at::Tensor index = at::tensor(rows, at::kLong);
  for (const Layer& layer : layers_)
    out.layers_.push_back(
        {layer.k.index_select(0, index.to(layer.k.device())), layer.v.index_select(0, index.to(layer.v.device()))});
  return out;
}

Result<RunResult> Engine::run(const RunRequest& request) const {
  return guarded("running the model", [&]() -> Result<RunResult> {
    const c10::AutoGradMode no_grad(false);
    HS_ASSIGN(const RunSpan span, span_of(request, config()));
    HS_ASSIGN(HookPlan plan, plan_for(request, {{}, {}}, config(), span));
    ForwardPass pass(*model_, attention_for(request), request, plan, span, false);
    RunResult result = pass.run();
    result.cache = plan.take_cache();
    return result;
  });
}

Result<GradientResult> Engine::run_with_gradients(const GradientRequest& request) const {
  return guarded("computing gradients", [&]() -> Result<GradientResult> {
    if (request.run.kv_cache)
      return make_error(ErrorCode::invalid_argument, "gradients do not go through a KV cache", {}, "kv_cache");
    if (!request.run.joins.empty() || !request.run.copies.empty())
      return make_error(ErrorCode::invalid_argument, "gradients are of runs that all rows begin together", {},
                        request.run.joins.empty() ? "copies" : "joins");
    HS_TRY(check_goal(request));
    const c10::AutoGradMode with_grad(true);
    HS_ASSIGN(const RunSpan span, span_of(request.run, config()));
    HS_ASSIGN(HookPlan plan, plan_for(request.run, {request.gradients, request.backward_hooks}, config(), span));
    ForwardPass pass(*model_, attention_for(request.run), request.run, plan, span, true);
    const RunResult forward = pass.run();
    GradientResult result;
    if (request.run.stop_layer >= 0) {
      differentiate(forward.resid, request.resid_gradient.to(forward.resid.options()), request.gradients,
                    plan.gradient_targets(), result.gradients);
      result.cache = plan.take_cache();
      return result;
    }
    const at::Tensor loss = request.metric(forward.logits);
    if (!loss.defined() || loss.numel() != 1)
      return make_error(ErrorCode::invalid_argument, "must be a single number", {}, "metric");
    differentiate(loss.reshape({}), {}, request.gradients, plan.gradient_targets(), result.gradients);
    result.metric = loss.item<double>();
    result.logits = forward.logits.detach();
    result.cache = plan.take_cache();
    return result;
  });
}

} // namespace headscope
