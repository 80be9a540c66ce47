// SPDX-License-Identifier: GPL-3.0-or-later
// Finds the cheapest mechanism that each head can do with: the model's predictions may move away from full attention's
// by a budget of KL.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/engine/engine.h"
#include "core/mechanisms/plan.h"

namespace headscope::mechanisms {

struct RouteTask {
  std::vector<std::int64_t> tokens, held_out;           // texts; heads are chosen by the first and judged by both
  std::vector<std::string> candidates;                  // specs without a place
  MechanismList mechanisms = MechanismList::built_in(); // that they may name
  double budget = 0.05;                                 // mean KL(full || plan) of the next token, nats
  std::int64_t skip = 0;                                // first predictions that are left out
};

// What a candidate does when one head uses it and all others attend fully.
struct CandidateCost {
  std::vector<double> kl;   // of the model's predictions, [layer, head_index]
  std::vector<double> keys; // keys attended by a query, as a share of full attention's, [layer, head_index]
};

// A step on the way from full attention to the cheapest plan.
struct RoutePoint {
  std::int64_t changes = 0;           // how many of the ordered changes are made
  double keys = 1.0;                  // keys attended over all heads, as a share of full attention's
  double kl = 0.0, held_out_kl = 0.0; // nats
};

struct Route {
  std::vector<CandidateCost> candidates;
  std::vector<int> choice;       // of each head: index of its candidate, or -1 for full attention
  std::vector<RoutePoint> curve; // ascending in changes; the chosen one among them
  RoutePoint chosen;
  std::string plan; // as --attention takes it; "full" where no head can be changed
};

// Returns invalid_argument for candidates that do not fit the model.
Result<Route> find_route(const Engine& engine, const RouteTask& task, const RunControl& control);

// A change of one head from one candidate (-1: full attention) to a cheaper one.
struct RouteChange {
  std::size_t head = 0;
  int to = -1;
  double kl = 0.0, saved = 0.0; // more than before the change
};
// Orders all changes by KL for each share of keys that is saved; changes of one head come in the order in which they
// are made. Candidates that another one of the head beats are not used.
std::vector<RouteChange> ordered_changes(const std::vector<CandidateCost>& candidates);

} // namespace headscope::mechanisms
