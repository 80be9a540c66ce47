// SPDX-License-Identifier: GPL-3.0-or-later
// The part of `ablate` that ablates a set of heads, MLPs and neurons at once, or everything but a set, and measures how
// complete a circuit is.
#pragma once

#include <string>

#include "app/methods/base/method.h"

namespace headscope::methods {

struct AblateOptions;

struct JointOptions {
  bool together = false, keep_only = false, complete = false;
  std::string nodes; // empty: the heads of --heads
  std::int64_t subsets = 10;

  bool given() const { return together || keep_only || complete; }
};

// Adds the joint options, after `heads`.
void list_joint_options(OptionList& list, JointOptions& options);
Status check_joint_options(const JointOptions& options);
Result<Report> run_joint_ablation(const AblateOptions& options, const Work& work);

} // namespace headscope::methods
