// SPDX-License-Identifier: GPL-3.0-or-later
// Small models with a circuit whose edges are known because their weights were constructed, among heads and MLPs that
// write a little at random, and heads that attend to what the circuit's heads attend to but write where nothing reads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/engine/engine.h"
#include "core/sweeps/patching.h"

namespace headscope::test {

struct PlantedShape {
  std::uint64_t seed = 0; // also which layer and head is what
  int layers = 2, heads = 2, kv_heads = 2;
  double sharpness = 1.0; // of what heads compare; large: attention is saturated, its gradient vanishes
};

struct PlantedCircuit {
  std::shared_ptr<Model> model;
  std::vector<PatchPair> pairs;   // clean, and corrupt so that every edge of the circuit matters
  std::vector<std::string> edges; // of the circuit, all of them: "a0.h3->a2.h1<k>"
};

// Needs at least two layers. ... A B ... A -> B: a previous-token head writes to each token the one before it, the
// induction head looks for its own token there. Corrupt: other tokens, none twice.
PlantedCircuit plant_induction(const PlantedShape& shape);

// Needs at least three layers. Mary and John went, John gave to -> Mary: a duplicate-token head at the second John
// writes who was there before, an S-inhibition head carries that to the end, where the name mover attends to the other
// name
// (Wang et al. 2211.00593). Corrupt: three other names.
PlantedCircuit plant_ioi(const PlantedShape& shape);

} // namespace headscope::test
