// SPDX-License-Identifier: GPL-3.0-or-later
// What ablated heads are replaced by, for a chunk of prompts at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/sweeps/head_ablation.h"
#include "core/sweeps/sweep.h"

namespace headscope {

// The reference prompts that the options name: their own, or the swept prompts.
const TokenRows& reference_rows(const HeadAblationOptions& options, const TokenRows& prompts);

// Chooses for every prompt the index of another reference prompt, one of the same length where there is one.
Result<std::vector<std::int64_t>> choose_donors(const TokenRows& prompts, const TokenRows& reference,
                                                std::uint64_t seed);

// The share of the phase's positions of each prompt that its donor, aligned from the end, is long enough for [prompt].
// Returns mismatch where a donor is so short that nothing would be replaced.
Result<std::vector<double>> replaced_shares(const TokenRows& prompts, const TokenRows& reference,
                                            const std::vector<std::int64_t>& donors, Phase phase);

// The positions below `length` at which the phase lets an intervention act on a run over the whole prompt.
std::vector<std::int64_t> phase_positions(Phase phase, std::int64_t length);

class AblationSource {
public:
  // Runs the reference prompts where the method needs their mean.
  static Result<AblationSource> prepare(const Engine& engine, const TokenRows& prompts,
                                        const HeadAblationOptions& options, const std::vector<int>& layers,
                                        const RunControl& control);

  const std::vector<std::int64_t>& donors() const { return donors_; }

  // Sets the prompts (indices) that the next calls are about; layers must then come in increasing order.
  void begin_chunk(const std::vector<std::int64_t>& chunk);
  Status begin_layer(int layer);
  // The intervention for the chunk's prompt in `slot`, of `length` tokens; unset when nothing of the prompt is
  // replaced.
  std::optional<Intervention> intervention(std::size_t slot, std::int64_t length, HeadId head) const;

private:
  AblationSource(const Engine& engine, const HeadAblationOptions& options, const TokenRows& reference,
                 CancelToken cancel)
      : engine_(&engine), options_(&options), reference_(&reference), cancel_(std::move(cancel)) {}

  Status compute_means(const std::vector<int>& layers, std::int64_t longest_prompt, const RunControl& control);
  void set_from_donor(std::size_t slot, std::int64_t length, HeadId head, Intervention& intervention) const;

  const Engine* engine_;
  const HeadAblationOptions* options_;
  const TokenRows* reference_;
  CancelToken cancel_;
  std::vector<at::Tensor> means_; // by layer: [head_index, d_head], by position [pos, head_index, d_head]
  std::vector<std::int64_t> donors_;
  std::vector<std::int64_t> chunk_donors_;
  std::optional<LayerWalk> donor_walk_;
  at::Tensor donor_z_; // of the current layer, [slot, pos, head_index, d_head]
};

} // namespace headscope
