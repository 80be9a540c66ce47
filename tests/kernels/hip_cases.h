// SPDX-License-Identifier: GPL-3.0-or-later
// Shapes that HiP's choice of keys is tested on, on the CPU (hip_keys_test.cpp) and on the GPU (sparse_check_cuda.cpp).
// Inputs are multiples of 1/4, so that every form computes the same scores to the last bit; with few different values
// many scores are equal, and which of them stays is tested too.
#pragma once

#include "kernels/hip_keys.h"
#include "tests/kernels/attention_cases.h"

namespace headscope::kernels::hip_cases {

struct Case {
  attention_cases::Case shape;
  HipOptions options;
  int values = 33; // different values of q and k
};

inline std::vector<Case> table() {
  return {
      {{"one token", 1, 1, 1, 64, 1, 0}, {16, 8, 8, 2, 0}},
      {{"everything fits", 1, 2, 1, 64, 90, 0}, {64, 32, 32, 2, 0}},
      {{"grouped heads", 2, 4, 2, 64, 517, 0}, {32, 32, 32, 2, 0}},
      {{"ties", 1, 2, 2, 64, 700, 0}, {48, 40, 32, 2, 0}, 2},
      {{"all scores equal", 1, 1, 1, 64, 300, 0}, {24, 32, 32, 2, 0}, 1},
      {{"sinks", 1, 2, 1, 128, 450, 0}, {32, 64, 32, 2, 5}},
      {{"single keys", 1, 2, 2, 80, 333, 0}, {20, 16, 16, 1, 0}, 5},
      {{"blocks of 4 keys, of 64 queries", 1, 2, 1, 96, 600, 0}, {64, 64, 64, 4, 1}},
      {{"blocks of 3 keys, of 7 queries", 1, 1, 1, 64, 200, 0}, {27, 9, 7, 3, 0}, 3},
      {{"the model's window", 1, 2, 1, 64, 500, 0, 120}, {32, 32, 32, 2, 0}, 5},
      {{"head dim 256", 1, 1, 1, 256, 260, 0}, {32, 32, 32, 2, 0}},
      {{"one node", 1, 1, 1, 64, 400, 0}, {2, 32, 32, 2, 0}},
      {{"behind a cache", 1, 2, 1, 64, 64, 320}, {32, 32, 32, 2, 0}},
      {{"as by default", 1, 1, 1, 64, 2500, 0}, {512, 128, 32, 2, 0}},
  };
}

// Owns what the problem points to.
struct Input {
  attention_cases::Input qk;

  Input(const Case& c, Element element) : qk(attention_cases::make_input(c.shape, element)) {
    std::mt19937 random(3);
    for (std::vector<std::uint8_t>* bytes : {&qk.q, &qk.k})
      for (std::size_t i = 0; i < bytes->size() / (element == Element::f32 ? 4 : 2); ++i)
        attention_cases::put(
            *bytes, element, static_cast<std::int64_t>(i),
            0.25f * static_cast<float>(static_cast<int>(random() % static_cast<unsigned>(c.values)) - c.values / 2));
    attention_cases::attach(qk);
  }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
};

struct Chosen {
  std::vector<KeyRun> runs;
  std::vector<std::int64_t> first, last;

  Chosen(const Case& c, const AttentionProblem& p) {
    const std::int64_t blocks = p.batch * p.heads * blocks_of(p.queries, c.options.block_q);
    runs.resize(static_cast<std::size_t>(blocks * c.options.most_runs()));
    first.assign(static_cast<std::size_t>(blocks), -1), last.assign(static_cast<std::size_t>(blocks), -1);
  }
  HipKeys pointers() { return {runs.data(), first.data(), last.data()}; }

  // The runs of one block, with those that touch joined; an empty list where they are not ascending.
  std::vector<std::pair<int, int>> of(std::size_t block) const {
    std::vector<std::pair<int, int>> joined;
    for (auto at = first[block]; at < last[block]; ++at) {
      const KeyRun& run = runs[static_cast<std::size_t>(at)];
      if (run.begin == run.end) continue;
      if (run.begin > run.end || (!joined.empty() && run.begin < joined.back().second)) return {};
      if (!joined.empty() && run.begin == joined.back().second)
        joined.back().second = run.end;
      else
        joined.emplace_back(run.begin, run.end);
    }
    return joined;
  }
};

} // namespace headscope::kernels::hip_cases
