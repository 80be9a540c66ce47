// SPDX-License-Identifier: GPL-3.0-or-later
// Scores of blocks that the choice of blocks is tested on, on the CPU (block_choice_test.cpp) and on the GPU
// (sparse_check_cuda.cpp), and the choice by definition.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/block_choice.h"
#include "tests/kernels/attention_cases.h"

namespace headscope::kernels::block_choice_cases {

struct Case {
  const char* name;
  std::int64_t heads, queries, blocks, position, size, first, behind, choices;
  int values; // different scores; one of them is NaN where there are more than 100
};

inline std::vector<Case> table() {
  return {{"fewer blocks than choices", 2, 50, 6, 0, 8, 1, 1, 9, 1000},
          {"as LongHeads", 3, 260, 70, 900, 16, 1, 1, 13, 1000},
          {"as landmarks", 2, 333, 40, 0, 8, 1, 0, 4, 1000},
          {"ties", 2, 200, 100, 5000, 50, 0, 0, 7, 3},
          {"all equal", 1, 64, 90, 8000, 64, 2, 0, 33, 1},
          {"no choice", 1, 20, 5, 0, 4, 1, 0, 0, 10},
          {"many blocks", 1, 40, 3000, 300000, 100, 1, 1, 40, 1000}};
}

// In every element type the same, so that all types choose alike.
inline std::vector<float> scores_of(const Case& c) {
  std::mt19937 random(11);
  std::vector<float> out;
  for (std::int64_t i = 0; i < c.heads * c.queries * c.blocks; ++i) {
    const int value = static_cast<int>(random() % static_cast<unsigned>(c.values));
    out.push_back(c.values > 100 && value == 0 ? NAN : 0.25f * static_cast<float>(value % 256 - 128));
  }
  return out;
}

// Owns what the problem points to.
struct Input {
  std::vector<std::uint8_t> bytes;
  BlockScores problem;

  Input(const Case& c, Element element) {
    const std::vector<float> scores = scores_of(c);
    bytes.resize(scores.size() * (element == Element::f32 ? 4 : 2));
    for (std::size_t i = 0; i < scores.size(); ++i)
      attention_cases::put(bytes, element, static_cast<std::int64_t>(i), scores[i]);
    problem = {bytes.data(), element, c.heads, c.queries, c.blocks, c.position, c.size, c.first, c.behind, c.choices};
  }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
};

// A whole sort of every row.
inline std::vector<std::int64_t> chosen_plainly(const Case& c) {
  const std::vector<float> scores = scores_of(c);
  std::vector<std::int64_t> out;
  for (std::int64_t row = 0; row < c.heads * c.queries; ++row) {
    const std::int64_t own = (c.position + row % c.queries) / c.size;
    std::vector<std::pair<double, std::int64_t>> order;
    for (std::int64_t block = c.first; block < std::min(c.blocks, own - c.behind); ++block) {
      const auto score = static_cast<double>(scores[static_cast<std::size_t>(row * c.blocks + block)]);
      order.emplace_back(std::isnan(score) ? 1e300 : -score, block);
    }
    std::sort(order.begin(), order.end());
    order.resize(std::min(order.size(), static_cast<std::size_t>(c.choices)));
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    for (const auto& [score, block] : order)
      out.push_back(block);
    out.resize(static_cast<std::size_t>((row + 1) * c.choices), -1);
  }
  return out;
}

} // namespace headscope::kernels::block_choice_cases
