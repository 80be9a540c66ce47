// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/hook.h"

#include <algorithm>
#include <array>

#include <fnmatch.h>

namespace headscope {
namespace {

struct PointInfo {
  HookPoint point;
  const char* name; // without "blocks.{i}."
  const char* short_name;
  HookAxes axes;
  bool in_block;
};

using enum HookAxes;

// The points in the order of HookPoint.
constexpr std::array<PointInfo, hook_point_count> points = {{
    {HookPoint::embed, "hook_embed", "embed", pos_d, false},
    {HookPoint::pos_embed, "hook_pos_embed", "pos_embed", pos_d, false},
    {HookPoint::final_scale, "ln_final.hook_scale", "final_scale", pos_d, false},
    {HookPoint::final_normalized, "ln_final.hook_normalized", "final_normalized", pos_d, false},
    {HookPoint::resid_pre, "hook_resid_pre", "resid_pre", pos_d, true},
    {HookPoint::q_input, "hook_q_input", "q_input", pos_head_d, true},
    {HookPoint::k_input, "hook_k_input", "k_input", pos_kv_head_d, true},
    {HookPoint::v_input, "hook_v_input", "v_input", pos_kv_head_d, true},
    {HookPoint::ln1_scale, "ln1.hook_scale", "ln1_scale", pos_d, true},
    {HookPoint::ln1_normalized, "ln1.hook_normalized", "ln1_normalized", pos_d, true},
    {HookPoint::q, "attn.hook_q", "q", pos_head_d, true},
    {HookPoint::k, "attn.hook_k", "k", pos_kv_head_d, true},
    {HookPoint::v, "attn.hook_v", "v", pos_kv_head_d, true},
    {HookPoint::rot_q, "attn.hook_rot_q", "rot_q", pos_head_d, true},
    {HookPoint::rot_k, "attn.hook_rot_k", "rot_k", pos_kv_head_d, true},
    {HookPoint::attn_scores, "attn.hook_attn_scores", "attn_scores", head_query_key, true},
    {HookPoint::pattern, "attn.hook_pattern", "pattern", head_query_key, true},
    {HookPoint::z, "attn.hook_z", "z", pos_head_d, true},
    {HookPoint::result, "attn.hook_result", "result", pos_head_d, true},
    {HookPoint::attn_out, "hook_attn_out", "attn_out", pos_d, true},
    {HookPoint::resid_mid, "hook_resid_mid", "resid_mid", pos_d, true},
    {HookPoint::mlp_in, "hook_mlp_in", "mlp_in", pos_d, true},
    {HookPoint::ln2_scale, "ln2.hook_scale", "ln2_scale", pos_d, true},
    {HookPoint::ln2_normalized, "ln2.hook_normalized", "ln2_normalized", pos_d, true},
    {HookPoint::mlp_pre, "mlp.hook_pre", "mlp_pre", pos_d, true},
    {HookPoint::mlp_pre_linear, "mlp.hook_pre_linear", "mlp_pre_linear", pos_d, true},
    {HookPoint::mlp_post, "mlp.hook_post", "mlp_post", pos_d, true},
    {HookPoint::mlp_out, "hook_mlp_out", "mlp_out", pos_d, true},
    {HookPoint::resid_post, "hook_resid_post", "resid_post", pos_d, true},
}};

const PointInfo& info_of(HookPoint point) { return points[static_cast<std::size_t>(point)]; }

bool model_has(HookPoint point, const ModelConfig& config) {
  switch (point) {
  case HookPoint::pos_embed: return config.positions == PositionKind::learned;
  case HookPoint::final_scale:
  case HookPoint::final_normalized: return config.final_norm && config.norm != NormKind::none;
  case HookPoint::ln1_scale:
  case HookPoint::ln1_normalized: return config.norm != NormKind::none;
  case HookPoint::ln2_scale:
  case HookPoint::ln2_normalized: return config.has_mlp() && config.norm != NormKind::none;
  case HookPoint::rot_q:
  case HookPoint::rot_k: return config.uses_rotary();
  case HookPoint::resid_mid: return config.has_resid_mid();
  case HookPoint::mlp_in:
  case HookPoint::mlp_pre:
  case HookPoint::mlp_post:
  case HookPoint::mlp_out: return config.has_mlp();
  case HookPoint::mlp_pre_linear: return config.has_mlp() && config.gated_mlp;
  default: return true;
  }
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0u : 1u)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

Error unknown_name(std::string_view name, const std::vector<HookSite>& sites) {
  std::vector<std::pair<std::size_t, std::string>> near;
  for (const HookSite& site : sites) {
    std::string existing = hook_name(site);
    const std::size_t distance = edit_distance(name, existing);
    near.emplace_back(distance, std::move(existing));
  }
  const std::size_t shown = std::min<std::size_t>(3, near.size());
  std::partial_sort(near.begin(), near.begin() + static_cast<std::ptrdiff_t>(shown), near.end());
  std::string text = "this model has no such hook point; the nearest are";
  for (std::size_t i = 0; i < shown; ++i)
    text += (i ? ", " : " ") + near[i].second;
  return make_error(ErrorCode::not_found, text, {}, std::string(name));
}

std::vector<std::string> split_commas(std::string_view text) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::string_view part = text.substr(begin, end - begin);
    while (!part.empty() && part.front() == ' ')
      part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ')
      part.remove_suffix(1);
    parts.emplace_back(part);
    begin = end + 1;
  }
  return parts;
}

} // namespace

bool is_block_point(HookPoint point) { return info_of(point).in_block; }
HookAxes hook_axes(HookPoint point) { return info_of(point).axes; }
const char* short_name(HookPoint point) { return info_of(point).short_name; }

std::string hook_name(HookSite site) {
  const PointInfo& info = info_of(site.point);
  return info.in_block ? "blocks." + std::to_string(site.layer) + "." + info.name : std::string(info.name);
}

std::vector<HookSite> hook_sites(const ModelConfig& config) {
  std::vector<HookSite> sites;
  const auto add = [&](HookPoint point, int layer) {
    if (model_has(point, config)) sites.push_back({point, layer});
  };
  add(HookPoint::embed, -1);
  add(HookPoint::pos_embed, -1);
  for (int layer = 0; layer < config.n_layers; ++layer)
    for (const PointInfo& info : points)
      if (info.in_block) add(info.point, layer);
  add(HookPoint::final_scale, -1);
  add(HookPoint::final_normalized, -1);
  return sites;
}

Result<HookSite> parse_hook_name(std::string_view name, const ModelConfig& config) {
  const std::vector<HookSite> sites = hook_sites(config);
  for (const HookSite& site : sites)
    if (hook_name(site) == name) return site;
  return unknown_name(name, sites);
}

Result<std::vector<HookSite>> match_hook_names(std::string_view filter, const ModelConfig& config) {
  const std::vector<HookSite> sites = hook_sites(config);
  std::vector<bool> chosen(sites.size(), false);
  for (const std::string& part : split_commas(filter)) {
    bool any = false;
    for (std::size_t i = 0; i < sites.size(); ++i) {
      if (fnmatch(part.c_str(), hook_name(sites[i]).c_str(), 0) != 0) continue;
      chosen[i] = any = true;
    }
    if (!any) return unknown_name(part, sites);
  }
  std::vector<HookSite> matched;
  for (std::size_t i = 0; i < sites.size(); ++i)
    if (chosen[i]) matched.push_back(sites[i]);
  return matched;
}

Result<HookPoint> parse_hook_point(std::string_view name) {
  for (const PointInfo& info : points)
    if (info.in_block && name == info.short_name) return info.point;
  return make_error(ErrorCode::invalid_argument, "is no hook point; known: " + block_point_names(), {},
                    std::string(name));
}

std::string block_point_names() {
  std::string names;
  for (const PointInfo& info : points)
    if (info.in_block) names.append(names.empty() ? "" : ", ").append(info.short_name);
  return names;
}

} // namespace headscope
