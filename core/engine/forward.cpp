// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/forward.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "core/engine/check_request.h"
#include "core/engine/cpu_linear.h"
#include "core/engine/device.h"
#include "core/engine/device_parts.h"
#include "core/engine/norm.h"
#include "core/model/guard.h"

namespace headscope {
namespace {

// x: [batch, pos, heads, in]; w: rows [heads d_out, in] of a fused matrix. -> [batch, pos, heads, d_out]
at::Tensor linear_by_head(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, std::int64_t heads) {
  const std::int64_t d_out = w.size(0) / heads;
  at::Tensor y = at::einsum("bphi,hoi->bpho", {x, w.view({heads, d_out, w.size(1)})});
  return b.defined() ? y + b.view({heads, d_out}) : y;
}

at::Tensor add_bias(const at::Tensor& x, const at::Tensor& b) { return b.defined() ? x + b : x; }

// Whether this is the only name of a tensor and of its memory.
bool owns(const at::Tensor& x) { return x.use_count() == 1 && x.storage().use_count() == 1; }

// For each group of copies, the indices of the rows present by then followed by those copied; one transfer to the
// device serves all groups.
std::vector<at::Tensor> indices_with_copies(const RunRequest& request, const RunSpan& span, const at::Device& device) {
  std::vector<std::int64_t> rows, counts;
  std::int64_t there = 0;
  for (const RowGroup& group : request.rows) {
    const std::int64_t before = there;
    there += row_count(group, span);
    if (!group.copied()) continue;
    for (std::int64_t row = 0; row < before; ++row)
      rows.push_back(row);
    rows.insert(rows.end(), group.copied()->of.begin(), group.copied()->of.end());
    counts.push_back(there);
  }
  if (counts.empty()) return {};
  return queued_copy(at::tensor(rows, at::kLong), device).split_with_sizes(counts);
}

} // namespace

ForwardPass::ForwardPass(const Model& model, const AttentionBackend& attention, const RunRequest& request,
                         HookPlan& plan, const RunSpan& span, bool differentiable)
    : model_(model), config_(model.config), attention_(attention),
      layered_(dynamic_cast<const LayeredAttention*>(&attention)), request_(request), plan_(plan), span_(span),
      differentiable_(differentiable) {
  positions_ = at::arange(span_.begin, span_.begin + span_.count, at::kLong).unsqueeze(0);
  if (!request_.batch.left_pad.empty()) {
    const at::Tensor pad = at::tensor(request_.batch.left_pad, at::kLong).unsqueeze(1);
    positions_ = at::clamp_min(positions_ - pad, 0);
  }
  positions_ = queued_copy(positions_, model_.device);
  copied_ = indices_with_copies(request_, span_, model_.device);
}

RunResult ForwardPass::run() {
  RunResult result;
  at::Tensor resid;
  if (span_.token_rows > 0) {
    resid = embed();
    entered_ = std::min<std::size_t>(1, request_.rows.size());
  } else {
    resid = request_.rows.front().residual()->resid.to(model_.device, model_.dtype);
    if (differentiable_) resid = resid.detach().requires_grad_(true);
  }
  for (int layer = span_.first_layer; layer < span_.end_layer; ++layer) {
    throw_if_cancelled(request_.cancel);
    resid = block(layer, with_entering(layer, std::move(resid)));
  }
  if (std::holds_alternative<BeforeLayer>(request_.until))
    result.resid = resid;
  else if (!wants(LogitRows::none))
    result.logits = unembed(resid);
  return result;
}

at::Tensor ForwardPass::with_entering(int layer, at::Tensor resid) {
  given_z_ = copied_at_z_ = at::Tensor();
  const bool enters = entered_ < request_.rows.size() && request_.rows[entered_].layer() == layer;
  entering_ = enters ? &request_.rows[entered_] : nullptr;
  if (!enters) return resid;
  const bool first = entered_++ == 0;
  if (const RowGroup::Residual* from = entering_->residual()) {
    if (from->z.defined()) given_z_ = from->z.to(model_.device, model_.dtype);
    if (first) return resid; // the run begins with it
    return at::cat({resid, from->resid.to(model_.device, model_.dtype)});
  }
  const at::Tensor& rows = copied_[copies_entered_++];
  if (!entering_->at_z()) return resid.index_select(0, rows);
  copied_at_z_ = rows;
  return resid;
}

at::Tensor ForwardPass::embed() {
  const ModelWeights& weights = model_.weights;
  const at::Tensor tokens = request_.batch.tokens.narrow(0, 0, span_.token_rows);
  at::Tensor x = at::embedding(weights.w_e, queued_copy(tokens, model_.device));
  if (config_.embed_scale != 1.0) x = x * at::scalar_tensor(config_.embed_scale, x.options());
  if (config_.embed_norm) {
    ModelConfig embed_norm = {};
    embed_norm.norm = NormKind::layer_norm;
    embed_norm.norm_eps = config_.norm_eps;
    x = apply_norm(embed_norm, weights.ln_embed, x);
  }
  if (differentiable_) x = x.detach().requires_grad_(true);
  x = plan_.visit(HookPoint::embed, x);
  if (config_.positions != PositionKind::learned) return x;
  at::Tensor p = at::embedding(weights.w_pos, positions_ + config_.learned_position_offset);
  p = p.expand({x.size(0), p.size(1), p.size(2)});
  return x + plan_.visit(HookPoint::pos_embed, p);
}

at::Tensor ForwardPass::linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, at::Tensor onto) const {
  if (differentiable_) {
    const at::Tensor y = at::linear(x, w, b);
    return onto.defined() ? onto + y : y;
  }
  at::Tensor y = linear_on_cpu(x, w, b);
  if (!y.defined() && splits())
    if (at::Tensor sum = split_linear_on_device(x.contiguous(), w, b, onto); sum.defined()) return sum;
  // Adds inside the product: this saves a pass over memory and rounds once instead of twice.
  if (!y.defined() && onto.defined() && onto.is_cuda() && !b.defined() && onto.is_contiguous() && owns(onto)) {
    onto.view({-1, onto.size(-1)}).addmm_(x.reshape({-1, x.size(-1)}), w.t());
    return onto;
  }
  if (!y.defined()) y = at::linear(x, w, b);
  return onto.defined() ? y.add_(onto) : y;
}

at::Tensor ForwardPass::block(int layer, at::Tensor input) {
  if (only_last_matters(layer)) return last_block(layer, input);
  at::Tensor resid_pre = plan_.visit(HookPoint::resid_pre, layer, std::move(input));
  at::Tensor z = attend_block(layer, resid_pre);
  if (only_last_matters_after_z(layer)) {
    resid_pre = resid_pre.narrow(1, span_.count - 1, 1);
    z = z.narrow(1, span_.count - 1, 1);
  }
  return finish_block(layer, std::move(resid_pre), z);
}

bool ForwardPass::only_last_matters(int layer) const {
  const bool looked_at = plan_.touches(layer) || request_.observer || request_.statistics;
  const bool copies = entering_ && entering_->copied();
  const LayerNeeds needed = needs(layer);
  return !looked_at && !given_z_.defined() && !copies && request_.past.none() && !needed.keeps_queries() &&
         !needed.before_rotary && only_last_matters_after_z(layer);
}

bool ForwardPass::only_last_matters_after_z(int layer) const {
  const bool last = layer + 1 == config_.n_layers && wants(LogitRows::last);
  const bool looked_at = plan_.touches(layer, HookPoint::result) || plan_.touches(-1);
  return last && !looked_at && !differentiable_ && request_.batch.right_pad.empty() && span_.count > 1;
}

at::Tensor ForwardPass::last_block(int layer, const at::Tensor& resid_pre) {
  const BlockWeights& block = model_.weights.blocks[static_cast<std::size_t>(layer)];
  const std::int64_t heads = config_.n_heads, kv = config_.n_kv_heads, d_head = config_.d_head, last = span_.count - 1;
  const at::Tensor x = apply_norm(config_, block.ln1, resid_pre);
  const auto part = [&](const at::Tensor& from, std::int64_t begin, std::int64_t count) {
    const at::Tensor bias =
        block.b_qkv.defined() ? block.b_qkv.narrow(0, begin * d_head, count * d_head) : at::Tensor{};
    return linear(from, block.w_qkv.narrow(0, begin * d_head, count * d_head), bias)
        .view({from.size(0), from.size(1), count, d_head});
  };
  const at::Tensor keys = part(x, heads, 2 * kv);
  Projections projections{part(x.narrow(1, last, 1), 0, heads), keys.narrow(2, 0, kv), keys.narrow(2, kv, kv)};
  norm_heads(layer, projections);
  if (config_.uses_rotary()) {
    const RotaryTables all = tables(layer, x.size(0));
    projections.q = apply_rotary(projections.q, {all.cos.narrow(1, last, 1), all.sin.narrow(1, last, 1)});
    projections.k = apply_rotary(projections.k, all);
  }
  const at::Tensor z = attend(layer, projections, last);
  return finish_block(layer, resid_pre.narrow(1, last, 1), z);
}

at::Tensor ForwardPass::finish_block(int layer, at::Tensor resid_pre, const at::Tensor& z) {
  const at::Tensor mlp_in = config_.parallel_residual ? resid_pre : at::Tensor{};
  at::Tensor resid = with_attention(layer, std::move(resid_pre), z);
  if (config_.has_resid_mid()) resid = plan_.visit(HookPoint::resid_mid, layer, std::move(resid));
  if (config_.has_mlp()) resid = with_mlp(layer, std::move(resid), mlp_in);
  return plan_.visit(HookPoint::resid_post, layer, std::move(resid));
}

// ---- Attention

at::Tensor ForwardPass::project_by_head(int layer, const at::Tensor& resid_pre, HookPoint input, std::int64_t row,
                                        std::int64_t heads) {
  const BlockWeights& block = model_.weights.blocks[static_cast<std::size_t>(layer)];
  at::Tensor x = resid_pre.unsqueeze(2).expand({resid_pre.size(0), resid_pre.size(1), heads, resid_pre.size(2)});
  x = apply_norm(config_, block.ln1, plan_.visit(input, layer, x));
  const std::int64_t rows = heads * config_.d_head;
  return linear_by_head(x, block.w_qkv.narrow(0, row, rows),
                        block.b_qkv.defined() ? block.b_qkv.narrow(0, row, rows) : at::Tensor{}, heads);
}

ForwardPass::Projections ForwardPass::project(int layer, const at::Tensor& resid_pre) {
  const BlockWeights& block = model_.weights.blocks[static_cast<std::size_t>(layer)];
  const std::int64_t heads = config_.n_heads, kv = config_.n_kv_heads, d_head = config_.d_head;
  const at::Tensor x =
      apply_norm(config_, block.ln1, resid_pre, plan_, {HookPoint::ln1_scale, HookPoint::ln1_normalized, layer});
  const at::Tensor qkv = linear(x, block.w_qkv, block.b_qkv).view({x.size(0), x.size(1), heads + 2 * kv, d_head});
  const auto part = [&](HookPoint input, HookPoint point, std::int64_t begin, std::int64_t count) {
    at::Tensor y = plan_.active(input, layer) ? project_by_head(layer, resid_pre, input, begin * d_head, count)
                                              : qkv.narrow(2, begin, count);
    return plan_.visit(point, layer, y);
  };
  Projections projections;
  projections.q = part(HookPoint::q_input, HookPoint::q, 0, heads);
  projections.k = part(HookPoint::k_input, HookPoint::k, heads, kv);
  projections.v = part(HookPoint::v_input, HookPoint::v, heads + kv, kv);
  norm_heads(layer, projections);
  return projections;
}

void ForwardPass::norm_heads(int layer, Projections& projections) const {
  if (!config_.qk_norm) return;
  const BlockWeights& block = model_.weights.blocks[static_cast<std::size_t>(layer)];
  ModelConfig head_norm = {};
  head_norm.norm = NormKind::rms_norm;
  head_norm.norm_eps = config_.norm_eps;
  head_norm.norm_scale_in_float32 = config_.norm_scale_in_float32;
  projections.q = apply_norm(head_norm, block.q_norm, projections.q);
  projections.k = apply_norm(head_norm, block.k_norm, projections.k);
}

// Gives each row its own length, so that no prompt's result depends on the others in the batch.
std::vector<std::int64_t> ForwardPass::row_lengths() const {
  const std::int64_t slots = std::max(span_.begin + span_.count, request_.past.prompt_length());
  std::vector<std::int64_t> lengths(static_cast<std::size_t>(span_.batch), slots);
  for (const auto* padding : {&request_.batch.left_pad, &request_.batch.right_pad})
    for (std::size_t row = 0; row < padding->size(); ++row)
      lengths[row] -= (*padding)[row];
  return lengths;
}

RotaryTables ForwardPass::tables(int layer, std::int64_t rows) {
  if (tables_.empty())
    for (const RotaryConfig& rotary : config_.rotary)
      tables_.push_back(rotary_tables(rotary, positions_, row_lengths(), model_.dtype));
  const RotaryTables& all = tables_[static_cast<std::size_t>(config_.layers[static_cast<std::size_t>(layer)].rotary)];
  // Rows that join later come after those already present.
  if (all.cos.size(0) <= rows) return all;
  return {all.cos.narrow(0, 0, rows), all.sin.narrow(0, 0, rows)};
}

void ForwardPass::rotate(int layer, Projections& projections) {
  const LayerNeeds needed = needs(layer);
  if (needed.before_rotary) {
    projections.unrotated_q = projections.q;
    projections.unrotated_k = projections.k;
  }
  if (config_.uses_rotary()) {
    const RotaryTables turns = tables(layer, projections.q.size(0));
    projections.q = plan_.visit(HookPoint::rot_q, layer, apply_rotary(projections.q, turns));
    projections.k = plan_.visit(HookPoint::rot_k, layer, apply_rotary(projections.k, turns));
  }
  if (needed.keeps_queries()) projections.all_q = projections.q;
}

// Puts the prefix before k and v, and before what else attention needs of earlier positions. Appends to the cache,
// whose slots double when full, and replaces them by everything cached.
void ForwardPass::extend_cache(int layer, Projections& projections) {
  const auto with_prefix = [&](const at::Tensor& before, at::Tensor& fresh) {
    if (fresh.defined()) fresh = at::cat({before.narrow(1, 0, span_.begin), fresh}, 1);
  };
  if (const KvCache* prefix = request_.past.prefix()) {
    const KvCache::Layer& before = prefix->layers_[static_cast<std::size_t>(layer)];
    with_prefix(before.k, projections.k);
    with_prefix(before.v, projections.v);
    with_prefix(before.q, projections.all_q);
    with_prefix(before.unrotated_q, projections.unrotated_q);
    with_prefix(before.unrotated_k, projections.unrotated_k);
  }
  if (!request_.past.appended()) return;
  KvCache& cache = *request_.past.appended();
  cache.attention_ = attention_.name();
  cache.layers_.resize(static_cast<std::size_t>(config_.n_layers));
  KvCache::Layer& slots = cache.layers_[static_cast<std::size_t>(layer)];
  const std::int64_t begin = span_.begin, end = begin + span_.count;
  const auto append = [&](at::Tensor& store, at::Tensor& fresh) {
    if (!fresh.defined()) return;
    if (!store.defined() || store.size(1) < end) {
      const std::int64_t room = std::max<std::int64_t>({end, 2 * begin, 64});
      at::Tensor grown = at::empty({fresh.size(0), room, fresh.size(2), fresh.size(3)}, fresh.options());
      if (begin > 0) grown.narrow(1, 0, begin).copy_(store.narrow(1, 0, begin));
      store = grown;
    }
    store.narrow(1, begin, span_.count).copy_(fresh);
    fresh = store.narrow(1, 0, end);
  };
  append(slots.k, projections.k);
  append(slots.v, projections.v);
  append(slots.q, projections.all_q);
  append(slots.unrotated_q, projections.unrotated_q);
  append(slots.unrotated_k, projections.unrotated_k);
  if (layer + 1 == config_.n_layers) cache.length_ = end;
}

namespace {

// Attention of one layer with what the engine knows of its rows, so that statistics can call it as any other backend.
class WithRows : public AttentionBackend {
public:
  WithRows(const LayeredAttention& attention, AttentionRows rows) : attention_(attention), rows_(std::move(rows)) {}
  const char* name() const override { return attention_.name(); }
  at::Tensor run(const AttentionInput& input) const override { return attention_.run_rows(input, rows_); }

private:
  const LayeredAttention& attention_;
  AttentionRows rows_;
};

} // namespace

AttentionRows ForwardPass::attention_rows(int layer, const Projections& projections) const {
  AttentionRows rows;
  const std::int64_t slots = span_.begin + span_.count;
  for (const std::int64_t pad : request_.batch.right_pad)
    rows.end.push_back(slots - pad);
  rows.all_q = projections.all_q;
  rows.unrotated_q = projections.unrotated_q;
  rows.unrotated_k = projections.unrotated_k;
  rows.w_o = model_.weights.blocks[static_cast<std::size_t>(layer)].w_o;
  const std::vector<std::int64_t> lengths = row_lengths();
  rows.rotate = [this, layer, lengths](const at::Tensor& x, const at::Tensor& positions, std::int64_t row) {
    if (!config_.uses_rotary()) return x;
    const RotaryConfig& rotary =
        config_.rotary[static_cast<std::size_t>(config_.layers[static_cast<std::size_t>(layer)].rotary)];
    const RotaryTables turns =
        rotary_tables(rotary, positions.unsqueeze(0), {lengths[static_cast<std::size_t>(row)]}, x.scalar_type());
    return apply_rotary(x.unsqueeze(2), turns).squeeze(2);
  };
  return rows;
}

at::Tensor ForwardPass::attend(int layer, const Projections& projections, std::int64_t first_query) {
  AttentionInput input;
  input.layer = layer;
  input.q = projections.q;
  input.k = projections.k;
  input.v = projections.v;
  input.mask.query_offset = span_.begin + first_query;
  input.mask.window = config_.layers[static_cast<std::size_t>(layer)].window;
  const auto& pad = request_.batch.left_pad;
  if (std::any_of(pad.begin(), pad.end(), [](std::int64_t n) { return n > 0; })) input.mask.key_begin = pad;
  input.scale = config_.attn_scale * config_.layers[static_cast<std::size_t>(layer)].score_factor;
  input.softcap = config_.attn_softcap;
  input.need_scores = plan_.needs(HookPoint::attn_scores, layer);
  input.need_pattern = plan_.needs(HookPoint::pattern, layer);
  input.edit_scores = [&](at::Tensor x) { return plan_.visit(HookPoint::attn_scores, layer, std::move(x)); };
  input.edit_pattern = [&](at::Tensor x) { return plan_.visit(HookPoint::pattern, layer, std::move(x)); };
  input.uniform = plan_.uniform_queries(layer, model_.device);
  if (input.uniform.defined()) input.uniform = input.uniform.narrow(0, 0, projections.q.size(0));
  const AttentionObserver* observer = request_.observer;
  if (observer && (!observer->wants || observer->wants(layer))) input.observer = observer;
  const AttentionStatisticsRequest* statistics = request_.statistics;
  const bool counted = statistics && (!statistics->wants || statistics->wants(layer));
  const auto run_by = [&](const AttentionBackend& backend) {
    return counted ? run_with_statistics(backend, input, *statistics) : backend.run(input);
  };
  if (!layered_) return run_by(attention_);
  if (needs(layer).mechanism.empty()) return run_by(default_attention());
  return run_by(WithRows(*layered_, attention_rows(layer, projections)));
}

at::Tensor ForwardPass::output(int layer, const at::Tensor& z, at::Tensor onto) {
  const BlockWeights& block = model_.weights.blocks[static_cast<std::size_t>(layer)];
  if (!plan_.active(HookPoint::result, layer)) return linear(z.flatten(2), block.w_o, block.b_o, std::move(onto));
  const at::Tensor by_head = block.w_o.view({config_.d_model, config_.n_heads, config_.d_head});
  const at::Tensor result = at::einsum("bphe,dhe->bphd", {z, by_head});
  const at::Tensor out = add_bias(plan_.visit(HookPoint::result, layer, result).sum(2), block.b_o);
  return onto.defined() ? onto + out : out;
}

at::Tensor ForwardPass::attend_block(int layer, at::Tensor& resid_pre) {
  const std::int64_t computed = resid_pre.size(0) - (given_z_.defined() ? given_z_.size(0) : 0);
  if (computed == 0) return plan_.visit(HookPoint::z, layer, given_z_);
  Projections projections = project(layer, resid_pre.narrow(0, 0, computed));
  rotate(layer, projections);
  extend_cache(layer, projections);
  at::Tensor z = attend(layer, projections);
  if (given_z_.defined()) z = at::cat({z, given_z_});
  if (copied_at_z_.defined()) {
    resid_pre = resid_pre.index_select(0, copied_at_z_);
    z = z.index_select(0, copied_at_z_);
  }
  return plan_.visit(HookPoint::z, layer, std::move(z));
}

at::Tensor ForwardPass::with_attention(int layer, at::Tensor resid_pre, const at::Tensor& z) {
  if (!config_.post_norms && !plan_.active(HookPoint::attn_out, layer)) return output(layer, z, std::move(resid_pre));
  at::Tensor out = output(layer, z, {});
  if (config_.post_norms)
    out = apply_norm(config_, model_.weights.blocks[static_cast<std::size_t>(layer)].ln1_post, out);
  return resid_pre + plan_.visit(HookPoint::attn_out, layer, out);
}

// ---- MLP and unembedding

at::Tensor ForwardPass::with_mlp(int layer, at::Tensor resid, const at::Tensor& mlp_in) {
  const at::Tensor x = normed_for_mlp(layer, mlp_in.defined() ? mlp_in : resid);
  if (!config_.post_norms && !plan_.active(HookPoint::mlp_out, layer)) return mlp(layer, x, std::move(resid));
  at::Tensor out = mlp(layer, x, {});
  if (config_.post_norms)
    out = apply_norm(config_, model_.weights.blocks[static_cast<std::size_t>(layer)].ln2_post, out);
  return resid + plan_.visit(HookPoint::mlp_out, layer, out);
}

at::Tensor ForwardPass::normed_for_mlp(int layer, const at::Tensor& resid) {
  const BlockWeights& block = model_.weights.blocks[static_cast<std::size_t>(layer)];
  // The MLP's input needs a tensor of its own, or its gradient would include that of the residual that bypasses the
  // MLP.
  const at::Tensor input =
      plan_.active(HookPoint::mlp_in, layer) ? plan_.visit(HookPoint::mlp_in, layer, resid.view_as(resid)) : resid;
  return apply_norm(config_, block.ln2, input, plan_, {HookPoint::ln2_scale, HookPoint::ln2_normalized, layer});
}

at::Tensor ForwardPass::mlp(int layer, const at::Tensor& x, at::Tensor onto) {
  const BlockWeights& block = model_.weights.blocks[static_cast<std::size_t>(layer)];
  const bool watched = plan_.active(HookPoint::mlp_pre, layer) || plan_.active(HookPoint::mlp_pre_linear, layer);
  if (splits() && !config_.gated_mlp && !watched && !plan_.active(HookPoint::mlp_post, layer))
    if (at::Tensor out = split_mlp_on_device(config_.activation, block, x, onto); out.defined()) return out;
  const at::Tensor in = linear(x, block.w_in, block.b_in);
  at::Tensor post;
  if (config_.gated_mlp && !watched) post = gated_on_device(config_.activation, in);
  if (post.defined()) {
    // computed in one pass
  } else if (config_.gated_mlp) {
    const at::Tensor gate = plan_.visit(HookPoint::mlp_pre, layer, in.narrow(-1, 0, config_.d_mlp));
    const at::Tensor up = plan_.visit(HookPoint::mlp_pre_linear, layer, in.narrow(-1, config_.d_mlp, config_.d_mlp));
    post = apply_activation(config_.activation, gate) * up;
  } else {
    post = apply_activation(config_.activation, plan_.visit(HookPoint::mlp_pre, layer, in));
  }
  if (block.b_post.defined()) post = post + block.b_post;
  return linear(plan_.visit(HookPoint::mlp_post, layer, post), block.w_out, block.b_out, std::move(onto));
}

// The last real token of each row: [batch, pos, d] -> [batch, d].
static at::Tensor last_rows(const at::Tensor& x, const std::vector<std::int64_t>& right_pad) {
  if (right_pad.empty()) return x.select(1, x.size(1) - 1);
  std::vector<std::int64_t> slots;
  for (const std::int64_t pad : right_pad)
    slots.push_back(x.size(1) - 1 - pad);
  const at::Tensor index =
      queued_copy(at::tensor(slots, at::kLong), x.device()).view({-1, 1, 1}).expand({x.size(0), 1, x.size(2)});
  return x.gather(1, index).squeeze(1);
}

at::Tensor ForwardPass::unembed(const at::Tensor& resid) {
  at::Tensor x = resid;
  const bool last = wants(LogitRows::last);
  const bool watched = plan_.active(HookPoint::final_scale) || plan_.active(HookPoint::final_normalized);
  if (last && !watched) x = last_rows(x, request_.batch.right_pad);
  if (config_.final_norm)
    x = apply_norm(config_.final_norm_kind ? final_norm_config(config_) : config_, model_.weights.ln_final, x, plan_,
                   {HookPoint::final_scale, HookPoint::final_normalized, -1});
  if (last && watched) x = last_rows(x, request_.batch.right_pad);
  at::Tensor logits = linear(x, model_.weights.w_u, model_.weights.b_u);
  if (config_.final_softcap) logits = at::tanh(logits / *config_.final_softcap) * *config_.final_softcap;
  return logits;
}

} // namespace headscope
