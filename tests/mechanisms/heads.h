// SPDX-License-Identifier: GPL-3.0-or-later
// Plans for the random layers on which mechanisms are tried.
#pragma once

#include <stdexcept>

#include <gtest/gtest.h>

#include "plugins/sdk/trial_layer.h"

namespace headscope::mechanisms {

using namespace trial;

inline ModelConfig one_layer() {
  ModelConfig config;
  config.n_layers = 1;
  config.n_heads = test_heads;
  config.n_kv_heads = test_kv;
  return config;
}

inline std::shared_ptr<const AttentionPlan> plan_of(const std::string& spec, const ModelConfig& config = one_layer()) {
  auto plan = AttentionPlan::parse(spec, config, MechanismList::built_in());
  if (!plan.ok()) throw std::runtime_error(plan.error().to_string());
  return *plan;
}

} // namespace headscope::mechanisms
