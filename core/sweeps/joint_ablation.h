// SPDX-License-Identifier: GPL-3.0-or-later
// Ablates sets of heads, MLPs and neurons at once, one number per prompt; or everything but a set. Both together say
// how complete a circuit is (Wang et al. 2211.00593).
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "core/sweeps/head_ablation.h"

namespace headscope {

struct AblationNode {
  enum class Kind : std::uint8_t { head, mlp, neuron };
  Kind kind = Kind::head;
  int layer = 0;
  std::int64_t index = 0; // of the head or neuron; 0 of an MLP
  friend bool operator==(const AblationNode&, const AblationNode&) = default;
  friend auto operator<=>(const AblationNode&, const AblationNode&) = default;
};
using AblationNodes = std::vector<AblationNode>;

// The name of a node: "a18.h6", "m11" or "m11.n345".
std::string node_name(const AblationNode& node);
// Reads names separated by commas, heads also as "18.6"; "L5" is all heads and the MLP of layer 5. The list is sorted,
// with each node once and no neurons of an MLP that is named. Returns invalid_argument, at `nodes`, naming the part.
Result<AblationNodes> parse_nodes(const std::string& text, const ModelConfig& config);
// Every head and MLP that is not in `kept`; for an MLP with some neurons in it, its other neurons.
AblationNodes all_nodes_but(const AblationNodes& kept, const ModelConfig& config);
AblationNodes nodes_without(const AblationNodes& nodes, const AblationNodes& left_out);

struct JointAblationResult {
  std::int64_t n_prompts = 0;
  std::vector<double> clean;        // metric without ablation [prompt]; NaN: not measured
  std::vector<double> ablated;      // [set, prompt]
  std::vector<std::int64_t> donors; // as in HeadAblationResult
  std::vector<double> replaced;
  bool complete = false; // false when cancelled; what was measured until then is kept

  std::size_t index(std::size_t set, std::size_t prompt) const {
    return set * static_cast<std::size_t>(n_prompts) + prompt;
  }
  double mean_clean() const; // over the prompts that were measured; NaN where none was
  double mean_ablated(std::size_t set) const;
};

// Ablates each set at once, for every prompt. Of the options, method, metric, phase, reference, mean_by_position, seed
// and tokens_per_run are used; heads are not. An MLP's output or a neuron's activation becomes 0, its mean, or that of
// another prompt. Returns invalid_argument for uniform attention of MLPs or neurons.
Result<JointAblationResult> ablate_together(const Engine& engine, const std::vector<AblationPrompt>& prompts,
                                            const std::vector<AblationNodes>& sets, const HeadAblationOptions& options,
                                            const RunControl& control = {});

// The subsets K for a circuit's completeness: the empty set, each node alone, and `random` subsets that have each node
// with probability 1/2, none of them empty.
std::vector<AblationNodes> completeness_subsets(const AblationNodes& circuit, std::int64_t random, std::uint64_t seed);

struct CompletenessRow {
  AblationNodes left_out;                        // K
  double circuit_without = 0, model_without = 0; // F(C \ K) and F(M \ K), means over the prompts
  double difference() const;                     // |F(C \ K) - F(M \ K)|; of K = nothing how faithful the circuit is
};
struct Completeness {
  JointAblationResult measured; // sets: C \ K kept alone, then M \ K, of each K
  std::vector<CompletenessRow> rows;
};
Result<Completeness> circuit_completeness(const Engine& engine, const std::vector<AblationPrompt>& prompts,
                                          const AblationNodes& circuit, const std::vector<AblationNodes>& subsets,
                                          const HeadAblationOptions& options, const RunControl& control = {});

} // namespace headscope
