// SPDX-License-Identifier: GPL-3.0-or-later
// How far each head's attention under a plan is from full attention on the same q, k and v.
#pragma once

#include <memory>
#include <vector>

#include "core/mechanisms/plan.h"

namespace headscope::mechanisms {

// Means over queries, [layer, head_index]; NaN where the plan leaves the head at full attention.
struct HeadMeasures {
  std::vector<double> mass_kept; // share of full attention's weight that lies on visited keys
  std::vector<double> kl;        // KL(pattern || full attention's pattern), nats
  std::vector<double> z_error;   // ‖z − z_full‖ / ‖z_full‖
  std::vector<double> overlap;   // share of the keys with the largest scores, as many as are visited, that are visited
  std::vector<double> keys;      // keys attended
  AttentionCost cost;            // of the plan's own form in that run, over all queries and the heads it changes
};

// A plan that measures while it runs. z is the plan's.
class MeasuredPlan : public LayeredAttention {
public:
  // Queries before position `skip` are left out.
  MeasuredPlan(std::shared_ptr<const AttentionPlan> plan, std::int64_t n_layers, std::int64_t n_heads,
               std::int64_t skip);
  ~MeasuredPlan() override;

  const char* name() const override { return plan_->name(); }
  LayerNeeds needs(int layer) const override { return plan_->needs(layer); }
  at::Tensor run_rows(const AttentionInput& input, const AttentionRows& rows) const override;

  HeadMeasures measures() const;

private:
  struct Sums;
  void add(const AttentionInput& input, const AttentionRows& rows, std::int64_t row, const PlanPart& part) const;

  std::shared_ptr<const AttentionPlan> plan_;
  std::int64_t n_heads_, skip_;
  std::unique_ptr<Sums> sums_; // of one run on the engine's thread
};

} // namespace headscope::mechanisms
