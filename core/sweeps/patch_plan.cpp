// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/sweeps/patch_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <sstream>

#include <ATen/ATen.h>

namespace headscope {
namespace {

// Writes tokens as text where the model has a tokenizer, otherwise as ids: "The|␣cat".
std::string show_tokens(const std::vector<std::int64_t>& ids, const Tokenizer* tokenizer) {
  constexpr std::size_t most = 60;
  std::string out;
  for (std::size_t i = 0; i < std::min(ids.size(), most); ++i) {
    if (i > 0) out += '|';
    out += tokenizer ? tokenizer->text(ids[i]) : std::to_string(ids[i]);
  }
  return ids.size() > most ? out + "|..." : out;
}

std::int64_t heads_of(HookPoint site, const ModelConfig& config) {
  switch (hook_axes(site)) {
  case HookAxes::pos_d: return 0;
  case HookAxes::pos_kv_head_d: return config.n_kv_heads;
  case HookAxes::pos_head_d:
  case HookAxes::head_query_key: break;
  }
  return config.n_heads;
}

Result<std::vector<int>> layers_with(HookPoint site, const std::vector<int>& asked, const ModelConfig& config) {
  std::set<int> existing;
  if (is_block_point(site))
    for (const HookSite& each : hook_sites(config))
      if (each.point == site) existing.insert(each.layer);
  if (existing.empty())
    return make_error(ErrorCode::not_found,
                      std::string(short_name(site)) +
                          (is_block_point(site) ? " does not exist in this model" : " is not a place in a block"),
                      {}, "site");
  if (asked.empty()) return std::vector<int>(existing.begin(), existing.end());
  const std::set<int> wanted(asked.begin(), asked.end());
  for (const int layer : wanted)
    if (!existing.contains(layer))
      return make_error(ErrorCode::invalid_argument,
                        "layer " + std::to_string(layer) + " has no " + short_name(site) +
                            "; the model has layers 0 to " + std::to_string(config.n_layers - 1),
                        {}, "layers");
  return std::vector<int>(wanted.begin(), wanted.end());
}

Result<PatchAxes> axes_for(PatchAxes asked, HookPoint site, std::int64_t site_heads) {
  if (asked == PatchAxes::automatic) return site_heads > 0 ? PatchAxes::layer_head : PatchAxes::layer_position;
  if (site_heads == 0 && asked != PatchAxes::layer_position)
    return make_error(ErrorCode::invalid_argument, std::string(short_name(site)) + " has no head axis", {}, "axes");
  return asked;
}

std::vector<std::int64_t> every_position(std::int64_t length) {
  std::vector<std::int64_t> positions;
  for (std::int64_t p = 0; p < length; ++p)
    positions.push_back(p);
  return positions;
}

} // namespace

Status check_equal_lengths(const std::vector<PatchPair>& pairs, const Tokenizer* tokenizer) {
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto &clean = pairs[i].clean, &corrupt = pairs[i].corrupt;
    if (clean.size() == corrupt.size()) continue;
    return make_error(ErrorCode::mismatch,
                      "pair " + std::to_string(i) + ": the clean prompt has " + std::to_string(clean.size()) +
                          " tokens and the corrupt prompt " + std::to_string(corrupt.size()) +
                          ", so their positions do not correspond. Clean: " + show_tokens(clean, tokenizer) +
                          "  Corrupt: " + show_tokens(corrupt, tokenizer),
                      {}, "tokens");
  }
  return {};
}

std::vector<PatchCell> PatchPlan::cells(std::int64_t length) const {
  std::vector<PatchCell> out;
  const bool by_position = axes != PatchAxes::layer_head, by_head = axes != PatchAxes::layer_position;
  for (std::int64_t p = 0; p < (by_position ? length : 1); ++p)
    for (std::int64_t h = 0; h < (by_head ? site_heads : 1); ++h)
      out.push_back({by_position ? std::vector<std::int64_t>{p} : every_position(length),
                     by_head ? std::optional<std::int64_t>(h) : std::nullopt, p, h});
  return out;
}

Intervention PatchPlan::intervention(int layer, const PatchCell& cell, const at::Tensor& activation) const {
  Intervention out;
  out.site = {site, layer};
  out.kind = InterventionKind::set;
  out.head = cell.head;
  out.positions = cell.positions;
  const bool head_first = hook_axes(site) == HookAxes::head_query_key;
  at::Tensor value = activation;
  std::int64_t position_axis = head_first ? 1 : 0;
  if (cell.head) {
    value = value.select(head_first ? 0 : 1, *cell.head);
    position_axis = 0;
  }
  out.value = value.index_select(position_axis, at::tensor(cell.positions, at::kLong).to(value.device()));
  return out;
}

Result<PatchPlan> plan_patching(const Engine& engine, const std::vector<PatchPair>& pairs,
                                const PatchingOptions& options) {
  const ModelConfig& config = engine.config();
  if (pairs.empty()) return make_error(ErrorCode::invalid_argument, "there are none", {}, "pairs");
  if (options.tokens_per_run < 0)
    return make_error(ErrorCode::invalid_argument, "must not be negative", {}, "tokens_per_run");
  PatchPlan plan;
  plan.site = options.site;
  plan.noising = options.noising;
  plan.average = options.average;
  plan.metric = options.metric;
  HS_ASSIGN(plan.layers, layers_with(options.site, options.layers, config));
  plan.site_heads = heads_of(options.site, config);
  HS_ASSIGN(plan.axes, axes_for(options.axes, options.site, plan.site_heads));
  for (const PatchPair& pair : pairs) {
    plan.clean.push_back(pair.clean);
    plan.corrupt.push_back(pair.corrupt);
    plan.answers.push_back(pair.answers);
  }
  HS_TRY(check_rows(plan.clean, engine, "clean prompt"));
  HS_TRY(check_rows(plan.corrupt, engine, "corrupt prompt"));
  HS_TRY(check_equal_lengths(pairs, engine.model().tokenizer.get()));
  HS_TRY(check_answers(options.metric, plan.answers, config.n_logits()));
  return plan;
}

Result<Judge> judge_of(const Engine& engine, const PatchPlan& plan, const std::vector<std::int64_t>& chunk,
                       const CancelToken& cancel) {
  Judge judge{plan.metric, {}, {}};
  for (const std::int64_t pair : chunk)
    judge.answers.push_back(plan.answers[static_cast<std::size_t>(pair)]);
  if (needs_reference(plan.metric)) {
    HS_ASSIGN(judge.reference, last_logits(engine, select_rows(plan.clean, chunk), cancel));
  }
  return judge;
}

PatchingResult empty_result(const Engine& engine, const PatchPlan& plan) {
  PatchingResult result;
  result.site = plan.site;
  result.axes = plan.axes;
  result.average = plan.average;
  result.metric = plan.metric;
  result.n_pairs = static_cast<std::int64_t>(plan.clean.size());
  result.n_layers = engine.config().n_layers;
  if (plan.axes != PatchAxes::layer_head)
    for (const auto& row : plan.clean)
      result.n_positions = std::max(result.n_positions, static_cast<std::int64_t>(row.size()));
  if (plan.axes != PatchAxes::layer_position) result.n_heads = plan.site_heads;
  const double unmeasured = std::numeric_limits<double>::quiet_NaN();
  result.clean.assign(plan.clean.size(), unmeasured);
  result.corrupt.assign(plan.clean.size(), unmeasured);
  result.patched.assign(result.index(result.n_pairs, 0, 0, 0), unmeasured);
  result.restored = result.patched;
  return result;
}

namespace {

// Whether two metrics differ by more than rounding. Logits and ranks carry the rounding of large numbers; probabilities
// and divergences that of small ones.
bool differ(double clean, double corrupt, MetricKind metric) {
  return std::abs(clean - corrupt) > info(metric).rounding * std::max({1.0, std::abs(clean), std::abs(corrupt)});
}

} // namespace

void keep_patched(PatchingResult& result, std::int64_t pair, int layer, const PatchCell& cell, double value) {
  const std::size_t at = result.index(pair, layer, cell.position_index, cell.head_index);
  result.patched[at] = value;
  result.restored[at] = restored_of(result, pair, value);
}

double restored_of(const PatchingResult& result, std::int64_t pair, double value) {
  const double clean = result.clean[static_cast<std::size_t>(pair)],
               corrupt = result.corrupt[static_cast<std::size_t>(pair)];
  if (!differ(clean, corrupt, result.metric)) return std::numeric_limits<double>::quiet_NaN();
  return (value - corrupt) / (clean - corrupt);
}

Status check_difference(const PatchingResult& result) {
  const bool ratios = result.average == PatchAverage::mean_of_ratios;
  bool any = false;
  double clean = 0.0, corrupt = 0.0;
  for (std::size_t i = 0; i < result.clean.size(); ++i) {
    any = any || differ(result.clean[i], result.corrupt[i], result.metric);
    clean += result.clean[i] / static_cast<double>(result.n_pairs);
    corrupt += result.corrupt[i] / static_cast<double>(result.n_pairs);
  }
  if (ratios ? any : differ(clean, corrupt, result.metric)) return {};
  std::ostringstream text;
  text << to_string(result.metric) << " is the same for the clean "
       << (result.n_pairs == 1 ? "prompt ("
           : ratios            ? "prompt of every pair (on average "
                               : "prompts on average (")
       << clean << ") and the corrupt " << (result.n_pairs == 1 ? "one (" : "ones (") << corrupt
       << "), so there is nothing to restore";
  return make_error(ErrorCode::mismatch, text.str(), {}, "metric");
}

} // namespace headscope
