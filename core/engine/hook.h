// SPDX-License-Identifier: GPL-3.0-or-later
// Hook points: the named places of the forward pass where an activation can be read or changed.
// Names and axes are TransformerLens's (https://github.com/TransformerLensOrg/TransformerLens); k and v
// and what depends on them stay on the model's native K/V heads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/model/config.h"

namespace headscope {

enum class HookPoint : std::uint8_t {
  // whole model
  embed,            // hook_embed [batch, pos, d_model]
  pos_embed,        // hook_pos_embed [batch, pos, d_model]; learned positions only
  final_scale,      // ln_final.hook_scale [batch, pos, 1]
  final_normalized, // ln_final.hook_normalized [batch, pos, d_model]
  // one block: blocks.{i}.
  resid_pre,      // hook_resid_pre [batch, pos, d_model]
  q_input,        // hook_q_input [batch, pos, head_index, d_model]; residual that each head's q reads, before ln1
  k_input,        // hook_k_input [batch, pos, kv_head_index, d_model]
  v_input,        // hook_v_input [batch, pos, kv_head_index, d_model]
  ln1_scale,      // ln1.hook_scale [batch, pos, 1]
  ln1_normalized, // ln1.hook_normalized [batch, pos, d_model]
  q,              // attn.hook_q [batch, pos, head_index, d_head]; before QK norm and rotary
  k,              // attn.hook_k [batch, pos, kv_head_index, d_head]
  v,              // attn.hook_v [batch, pos, kv_head_index, d_head]
  rot_q,          // attn.hook_rot_q [batch, pos, head_index, d_head]; rotary only
  rot_k,          // attn.hook_rot_k [batch, pos, kv_head_index, d_head]; rotary only
  attn_scores,    // attn.hook_attn_scores [batch, head_index, query_pos, key_pos]; masked entries are -inf
  pattern,        // attn.hook_pattern [batch, head_index, query_pos, key_pos]
  z,              // attn.hook_z [batch, pos, head_index, d_head]
  result,         // attn.hook_result [batch, pos, head_index, d_model]; without b_O
  attn_out,       // hook_attn_out [batch, pos, d_model]; after the post-norm where there is one
  resid_mid,      // hook_resid_mid [batch, pos, d_model]; not in parallel or attention-only blocks
  mlp_in,         // hook_mlp_in [batch, pos, d_model]; residual that the MLP reads, before ln2
  ln2_scale,      // ln2.hook_scale [batch, pos, 1]
  ln2_normalized, // ln2.hook_normalized [batch, pos, d_model]
  mlp_pre,        // mlp.hook_pre [batch, pos, d_mlp]; the gate's pre-activation in gated MLPs
  mlp_pre_linear, // mlp.hook_pre_linear [batch, pos, d_mlp]; gated MLPs only
  mlp_post,       // mlp.hook_post [batch, pos, d_mlp]
  mlp_out,        // hook_mlp_out [batch, pos, d_model]; after the post-norm where there is one
  resid_post,     // hook_resid_post [batch, pos, d_model]
  count
};

constexpr int hook_point_count = static_cast<int>(HookPoint::count);

// The axes of a point's activation; they decide where an intervention's head and positions apply.
enum class HookAxes : std::uint8_t {
  pos_d,          // [batch, pos, d]
  pos_head_d,     // [batch, pos, head_index, d]
  pos_kv_head_d,  // [batch, pos, kv_head_index, d]
  head_query_key, // [batch, head_index, query_pos, key_pos]
};

bool is_block_point(HookPoint point);
HookAxes hook_axes(HookPoint point);

struct HookSite {
  HookPoint point = HookPoint::resid_pre;
  int layer = -1; // -1 for whole-model points
  friend bool operator==(const HookSite&, const HookSite&) = default;
  friend auto operator<=>(const HookSite&, const HookSite&) = default;
};

// The full name of a site, e.g. "blocks.3.attn.hook_z" or "ln_final.hook_scale".
std::string hook_name(HookSite site);

// The sites that a model of this configuration has, in the order of the forward pass.
std::vector<HookSite> hook_sites(const ModelConfig& config);

// Reads one exact name. Returns not_found, with the nearest existing names, when this model has no such point.
Result<HookSite> parse_hook_name(std::string_view name, const ModelConfig& config);

// Reads exact names and globs ("blocks.*.attn.hook_z", "*hook_resid_post", "blocks.[0-3].*"), comma-separated.
// A part that matches nothing is an error, never a silent no-op.
Result<std::vector<HookSite>> match_hook_names(std::string_view filter, const ModelConfig& config);

// Reads the short name of a block point: "resid_pre", "z", "attn_out", "mlp_out", "pattern", "q"…
Result<HookPoint> parse_hook_point(std::string_view short_name);
// The short names of all points of a block, with ", " between them.
std::string block_point_names();
const char* short_name(HookPoint point);

} // namespace headscope
