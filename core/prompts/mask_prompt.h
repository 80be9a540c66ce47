// SPDX-License-Identifier: GPL-3.0-or-later
// One prompt of the masking experiment (core/sweeps/masking.h), and how the model's answer is judged.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace headscope {

enum class MaskJudge : std::uint8_t {
  recall,       // ROUGE-1 recall of what is generated, stemmed
  final_answer, // 1 where the first word after the last "answer is" is `expected`, else 0
  log_prob,     // mean log-probability of `continuation`, in nats; less that of `wrong` where there is one
};

struct MaskPrompt {
  std::string id;
  std::vector<std::int64_t> prompt;
  MaskJudge judge = MaskJudge::recall;
  std::string expected;
  std::vector<std::int64_t> continuation;
  std::optional<std::int64_t> wrong;
  std::vector<std::int64_t> needle; // key slots; what the method `needle` hides
};

} // namespace headscope
