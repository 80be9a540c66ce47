// SPDX-License-Identifier: GPL-3.0-or-later
// Generated questions that are answered at once or step by step: sums, and facts that follow from two others. A chain
// of thought copies from the question and from its own steps, which retrieval heads do (Wu et al. 2404.15574, 4.3).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace headscope {

struct ReasoningCase {
  std::string kind;   // "sum", "two_hop"
  std::string direct; // prompt with worked examples "A: The answer is 9."
  std::string chain;  // the same question; its examples write out the steps first
  std::string answer; // "9", "key"
};

// Makes sums and two-hop questions in turn, the same for a seed on every platform, each after `shots` worked examples
// of its kind.
std::vector<ReasoningCase> make_reasoning_cases(std::int64_t count, std::int64_t shots, std::uint64_t seed);

} // namespace headscope
