// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/check_request.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "core/engine/attention_needs.h"

namespace headscope {
namespace {

Error bad(std::string field, std::string what) {
  return make_error(ErrorCode::invalid_argument, std::move(what), {}, std::move(field));
}

Error differs(std::string field, std::string what) {
  return make_error(ErrorCode::mismatch, std::move(what), {}, std::move(field));
}

std::string name_of(std::size_t group) { return "rows[" + std::to_string(group) + "]"; }

Status check_shape(const at::Tensor& tokens) {
  if (!tokens.defined() || tokens.dim() != 2 || tokens.scalar_type() != at::kLong)
    return bad("tokens", "must be int64 [batch, pos]");
  if (tokens.numel() == 0) return bad("tokens", "the prompt is empty");
  return {};
}

Status check_ids(const at::Tensor& tokens, const ModelConfig& config) {
  const auto low = tokens.min().item<std::int64_t>(), high = tokens.max().item<std::int64_t>();
  if (low >= 0 && high < config.d_vocab) return {};
  return bad("tokens", "token id " + std::to_string(low < 0 ? low : high) + " is outside the vocabulary of " +
                           std::to_string(config.d_vocab));
}

Status check_padding(const std::vector<std::int64_t>& padding, const char* field, std::int64_t batch,
                     std::int64_t count) {
  if (padding.empty()) return {};
  if (std::ssize(padding) != batch) return differs(field, "must have one entry a row");
  const bool fits = std::all_of(padding.begin(), padding.end(), [&](auto pad) { return pad >= 0 && pad < count; });
  if (!fits) return bad(field, "every row needs at least one token");
  return {};
}

Status check_residual(const RowGroup::Residual& from, const at::Tensor& tokens, const ModelConfig& config,
                      const std::string& field) {
  const at::Tensor &resid = from.resid, &z = from.z;
  if (!resid.defined() || resid.dim() != 3 || resid.size(1) != tokens.size(1) || resid.size(2) != config.d_model)
    return differs(field + ".resid", "must be [batch, pos, d_model] with the pos of the tokens");
  if (z.defined() && !z.sizes().equals({resid.size(0), resid.size(1), config.n_heads, config.d_head}))
    return differs(field + ".z", "must be [batch, pos, head_index, d_head] with the batch and pos of resid");
  return {};
}

// Counts the rows of the batch that enter from tokens.
Result<std::int64_t> count_token_rows(const RunRequest& request, const ModelConfig& config) {
  std::int64_t rows = 0;
  for (std::size_t i = 0; i < request.rows.size(); ++i) {
    if (const auto* from = request.rows[i].residual())
      HS_TRY(check_residual(*from, request.batch.tokens, config, name_of(i)));
    rows += row_count(request.rows[i], {});
  }
  const std::int64_t rest = request.batch.tokens.size(0) - rows;
  const bool from_tokens = request.rows.empty() || request.rows.front().tokens();
  if (from_tokens ? rest > 0 : rest == 0) return rest;
  return differs("rows", "have " + std::to_string(rows) + " rows" + (from_tokens ? " beside those from tokens" : "") +
                             ", the tokens have " + std::to_string(rows + rest));
}

Status check_copies(const RowGroup::Copies& copies, std::int64_t there, const std::vector<std::int64_t>& right_pad,
                    const std::string& field) {
  const auto padding = [&](std::int64_t row) {
    return right_pad.empty() ? 0 : right_pad[static_cast<std::size_t>(row)];
  };
  if (there == 0) return bad(field, "no row is there yet");
  std::int64_t copy = there;
  for (const std::int64_t row : copies.of) {
    if (row < 0 || row >= there) return bad(field, "row " + std::to_string(row) + " is not there yet");
    if (padding(row) != padding(copy++)) return bad(field, "must be padded as row " + std::to_string(row) + " is");
  }
  return {};
}

Status check_groups(const RunRequest& request, const RunSpan& span) {
  std::int64_t there = 0;
  for (std::size_t i = 0; i < request.rows.size(); ++i) {
    const RowGroup& group = request.rows[i];
    const int before = i > 0 ? std::max(-1, request.rows[i - 1].layer()) : group.tokens() ? -2 : -1;
    // A run may begin where it ends; it then runs no block.
    const int last = i == 0 && !group.at_z() ? span.end_layer : span.end_layer - 1;
    if (group.layer() <= before || group.layer() > last)
      return bad(name_of(i), "cannot enter at layer " + std::to_string(group.layer()) +
                                 ": groups enter at increasing layers, those from tokens first, and before the run "
                                 "ends at layer " +
                                 std::to_string(span.end_layer));
    if (group.copied()) HS_TRY(check_copies(*group.copied(), there, request.batch.right_pad, name_of(i)));
    there += row_count(group, span);
  }
  return {};
}

Status check_together(const RunRequest& request, const RunSpan& span) {
  const bool later = request.rows.size() > 1, at_z = !request.rows.empty() && request.rows.front().at_z();
  const bool left = !request.batch.left_pad.empty(), stops = std::holds_alternative<BeforeLayer>(request.until);
  const KvCache* prefix = request.past.prefix();
  if (later && (left || !request.past.none()))
    return bad("rows", "those that enter later do not go with a KV cache or padding on the left");
  if ((later || at_z) && (request.statistics || request.observer))
    return bad("rows", "statistics and observers need the attention of all rows: none may enter later or at z");
  if (span.cached && (stops || span.token_rows == 0)) return bad("past", "a KV cache needs a run through all layers");
  if (span.cached && !request.batch.right_pad.empty())
    return bad("right_pad", "padding on the right does not go with a KV cache; pad on the left");
  if (prefix && left) return bad("past", "keys that are only read do not go with padding on the left");
  if (!prefix || prefix->rows() == span.batch) return {};
  return differs("past",
                 "has " + std::to_string(prefix->rows()) + " rows, the tokens have " + std::to_string(span.batch));
}

// Whether rows of a group pass a hook point. Rows that enter at z skip everything before z in that block.
bool passes(const RowGroup& group, HookSite site) {
  if (site.point == HookPoint::final_scale || site.point == HookPoint::final_normalized) return true;
  return site.layer > group.layer() || (site.layer == group.layer() && (!group.at_z() || site.point >= HookPoint::z));
}

// Finds the group of a row; for a row outside the batch the last group, since the plan refuses such rows later.
const RowGroup& group_of(std::int64_t row, const RunRequest& request, const RunSpan& span) {
  for (const RowGroup& group : request.rows)
    if ((row -= row_count(group, span)) < 0) return group;
  return request.rows.back();
}

// Refuses captures and interventions at points that this run does not compute.
Status check_sites(const RunRequest& request, const RunSpan& span) {
  const auto check = [&](HookSite site, std::int64_t row) -> Status {
    const RowGroup& group = group_of(row, request, span);
    if (passes(group, site)) return {};
    return bad(hook_name(site), "is not computed of row " + std::to_string(row) + ", which enters at " +
                                    (group.at_z() ? "z of " : "") + "layer " + std::to_string(group.layer()));
  };
  if (request.rows.empty()) return {};
  for (const Intervention& intervention : request.interventions)
    HS_TRY(check(intervention.site, intervention.row.value_or(0)));
  for (const Hook& hook : request.hooks)
    HS_TRY(check(hook.site, 0));
  for (const HookSite& site : request.capture)
    HS_TRY(check(site, 0));
  return {};
}

} // namespace

std::int64_t row_count(const RowGroup& group, const RunSpan& span) {
  if (group.residual()) return group.residual()->resid.size(0);
  return group.copied() ? std::ssize(group.copied()->of) : span.token_rows;
}

Result<RunSpan> check_request(const RunRequest& request, const AttentionBackend& attention, const ModelConfig& config) {
  HS_TRY(check_shape(request.batch.tokens));
  const int n_layers = static_cast<int>(config.n_layers);
  const auto* stop = std::get_if<BeforeLayer>(&request.until);
  if (stop && (stop->layer < 0 || stop->layer > n_layers))
    return bad("until", "must be 0 to " + std::to_string(n_layers));
  RunSpan span;
  span.batch = request.batch.tokens.size(0);
  span.begin = request.past.length();
  span.count = request.batch.tokens.size(1);
  span.cached = request.past.appended();
  span.first_layer = request.rows.empty() ? 0 : std::max(0, request.rows.front().layer());
  span.end_layer = stop ? stop->layer : n_layers;
  HS_ASSIGN(span.token_rows, count_token_rows(request, config));
  if (span.token_rows > 0) HS_TRY(check_ids(request.batch.tokens.narrow(0, 0, span.token_rows), config));
  if (!request.beyond_context || config.positions == PositionKind::learned)
    HS_TRY(check_length(span.begin + span.count, &attention, config, "the prompt", "tokens"));
  HS_TRY(check_padding(request.batch.left_pad, "left_pad", span.batch, span.begin + span.count));
  HS_TRY(check_padding(request.batch.right_pad, "right_pad", span.batch, span.count));
  HS_TRY(check_groups(request, span));
  HS_TRY(check_together(request, span));
  HS_TRY(check_sites(request, span));
  if (request.statistics) HS_TRY(check_statistics(*request.statistics));
  return span;
}

Status check_gradient_request(const GradientRequest& request) {
  if (request.run.past.appended()) return bad("past", "gradients do not go through a KV cache");
  if (request.run.rows.size() > 1) return bad("rows", "gradients are of runs that all rows begin together");
  const bool stops = std::holds_alternative<BeforeLayer>(request.run.until);
  if (!stops && !request.metric) return bad("metric", "no metric is given");
  if (stops && !request.resid_gradient.defined()) return bad("resid_gradient", "is needed of a run that stops early");
  return {};
}

} // namespace headscope
