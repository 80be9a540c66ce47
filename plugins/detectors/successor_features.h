// SPDX-License-Identifier: GPL-3.0-or-later
// Mod-10 structure of effective embeddings (Gould et al. 2312.09230, sections 3 and 4): a linear probe that reads the
// place in a list modulo 10, and arithmetic with mod-10 features that shifts what a successor head writes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/model/model.h"
#include "plugins/detectors/effective_embedding.h"

namespace headscope {

struct PlacedList {
  std::string name;
  std::vector<std::int64_t> tokens, places; // places count from 1
  at::Tensor x;                             // effective embeddings [word, d_model]
};

struct ProbeScore {
  std::string trained_on, tested_on;
  std::int64_t examples = 0; // tested
  double accuracy = 0.0;     // chance is 0.1
};

// Trains a ridge classifier of the place mod 10: targets 1 and -1, centred, penalty `ridge` times the mean squared norm
// of the centred embeddings. With at least 40 numbers it is trained on numbers (and tested on unseen tens, then on the
// other lists); otherwise, for each list, on all the others.
std::vector<ProbeScore> mod10_probe(const std::vector<PlacedList>& lists, double ridge);

struct ShiftedSuccessor {
  std::int64_t number = 0, digit = 0; // MLP0(E(number)) - f_(number mod 10) + f_digit
  std::int64_t expected = 0, got = 0; // the number whose token the head raises most
};

// Shifts features f_i, the mean effective embeddings of the numbers that are i modulo 10, in the numbers `from` to
// `to`, to every other digit. `numbers` are consecutive from 1; the result is empty where they do not reach to + 10.
std::vector<ShiftedSuccessor> shifted_successors(const Model& model, const PlacedList& numbers, int layer,
                                                 std::int64_t head, std::int64_t from, std::int64_t to, bool biases,
                                                 bool final_norm);

} // namespace headscope
