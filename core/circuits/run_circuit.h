// SPDX-License-Identifier: GPL-3.0-or-later
// Runs a circuit: the model on the clean prompts with every edge outside the circuit patched.
#pragma once

#include <memory>
#include <vector>

#include "core/circuits/circuit.h"
#include "core/circuits/graph.h"
#include "core/circuits/task.h"

namespace headscope {

// Runs many circuits of one task: what replaces the senders' outputs is computed once where it fits into memory.
class CircuitRunner {
public:
  // Returns the errors of check_task(). The engine must outlive the runner.
  static Result<CircuitRunner> create(const Engine& engine, const CircuitTask& task, const RunControl& context = {});

  const ComputationalGraph& graph() const;
  const CircuitTask& task() const;

  // The metric of every pair [pair]. The circuit's edges carry what their senders write in this very run, so a patched
  // edge also changes what later edges carry.
  Result<std::vector<double>> metrics(const Circuit& circuit, const CancelToken& cancel = {}) const;
  Result<double> metric(const Circuit& circuit, const CancelToken& cancel = {}) const; // mean over the pairs

private:
  struct State;
  std::shared_ptr<State> state_;
};

} // namespace headscope
