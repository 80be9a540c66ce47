// SPDX-License-Identifier: GPL-3.0-or-later
// What z, MLP outputs and neurons become where sets of them are ablated: zeros, means over reference prompts, or
// another prompt's activations, for one chunk of prompts at a time.
#pragma once

#include <map>
#include <vector>

#include "core/sweeps/head_ablation.h"
#include "core/sweeps/sweep.h"

namespace headscope {

class JointReplacement {
public:
  // Runs the reference prompts where the method needs their mean. `sites` are z, mlp_out and mlp_post of layers.
  static Result<JointReplacement> prepare(const Engine& engine, const TokenRows& prompts,
                                          const HeadAblationOptions& options, const std::vector<HookSite>& sites,
                                          const RunControl& control);

  const std::vector<std::int64_t>& donors() const { return donors_; }
  // Sets the prompts (indices) that the next calls are about.
  Status begin_chunk(const std::vector<std::int64_t>& chunk);
  // Makes a hook that replaces these heads or neurons of the site, or all of it where none are named. Valid until the
  // next chunk.
  Hook hook(HookSite site, const std::vector<std::int64_t>& indices) const;
  // Adds interventions that make the attention of these heads uniform in every row.
  void add_uniform(int layer, const std::vector<std::int64_t>& heads, std::vector<Intervention>& list) const;

private:
  JointReplacement(const Engine& engine, const TokenRows& prompts, const HeadAblationOptions& options,
                   const std::vector<HookSite>& sites, CancelToken cancel);
  Status compute_means(const RunControl& control);
  Status read_donors(const TokenRows& rows);

  const Engine* engine_;
  const TokenRows* prompts_;
  const HeadAblationOptions* options_;
  const TokenRows* reference_;
  std::vector<HookSite> sites_;
  CancelToken cancel_;
  std::vector<std::int64_t> donors_;
  std::map<HookSite, at::Tensor> values_; // means [d..] or [pos, d..]; of donors [row, pos, d..]
  TokenRows rows_;                        // of the chunk
  at::Tensor mask_;                       // bool [row, pos] of what is replaced; undefined: everything
};

} // namespace headscope
