// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include "app/result_figures/result_part.h"

namespace headscope {

// Each part is in the file of its name in parts/.
extern const ResultPart scores_part, evidence_part, ablation_part, joint_part, patching_part, masking_part,
    attribution_part, lens_part, paths_part, adjustment_part, calibration_part, comparison_part, contexts_part,
    steering_part, examples_part, route_part, spread_part, traits_part, weights_part, circuit_part, attention_part,
    activations_part, other_part;

std::span<const ResultPart> result_parts() {
  static const ResultPart parts[] = {scores_part,      evidence_part,    ablation_part, joint_part,    patching_part,
                                     masking_part,     attribution_part, lens_part,     paths_part,    adjustment_part,
                                     calibration_part, comparison_part,  contexts_part, steering_part, examples_part,
                                     route_part,       spread_part,      traits_part,   weights_part,  circuit_part,
                                     attention_part,   activations_part, other_part};
  return parts;
}

const ResultPart* find_result_part(const std::string& name) {
  const auto parts = result_parts();
  const auto found =
      std::find_if(parts.begin(), parts.end(), [&](const ResultPart& part) { return part.name == name; });
  return found == parts.end() ? nullptr : &*found;
}

} // namespace headscope
