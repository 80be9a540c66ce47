// SPDX-License-Identifier: GPL-3.0-or-later
// Names of ablation methods and phases: how heads are ablated, and when.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/vocabulary/named.h"

namespace headscope {

enum class AblationMethod : std::uint8_t {
  zero,     // z = 0
  mean,     // z = its mean over the reference prompts
  resample, // z = that of another prompt, positions aligned from the end
  uniform,  // the head attends equally to every key it may see
};
template <> std::span<const Named<AblationMethod>> names_of<AblationMethod>();
inline const char* to_string(AblationMethod method) { return name_of(method); }

// How the strongest heads are masked, to see what a task loses.
enum class MaskMethod : std::uint8_t {
  uniform, // the head attends equally to every key it may see; the authors' code does so at decode steps
  zero,    // its output is 0
  mean,    // its output is the mean over the tasks' prompts
  needle,  // its scores of the task's needle are -inf
};
template <> std::span<const Named<MaskMethod>> names_of<MaskMethod>();
inline const char* to_string(MaskMethod method) { return name_of(method); }

// Values are bits, so that `both` is the union of the others.
enum class Phase : std::uint8_t { prefill = 1, decode = 2, both = 3 };
template <> std::span<const Named<Phase>> names_of<Phase>();
inline const char* to_string(Phase phase) { return name_of(phase); }

} // namespace headscope
