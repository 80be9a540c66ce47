// SPDX-License-Identifier: GPL-3.0-or-later
// Asks one question about a needle: the answer, and which heads copied it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/run_control.h"
#include "core/engine/engine.h"
#include "core/prompts/retrieval_prompt.h"
#include "plugins/detectors/retrieval_score.h"

namespace headscope {

struct RetrievalRun {
  std::vector<std::int64_t> tokens; // generated, with the newline that ended them
  std::string answer;               // their text
  double rouge = 0.0;               // ROUGE-1 recall of the expected answer, stemmed
  std::vector<double> code, set;    // scores [layer, head]; see CopyCounter
  std::vector<CopyCounter::Copy> copies;
};

// Generates greedily; the last prompt token is the first decode step, and a token with a newline ends the answer.
Result<RetrievalRun> run_retrieval(const Engine& engine, const RetrievalPrompt& prompt, const std::string& expected,
                                   std::int64_t max_new_tokens, const CancelToken& cancel);

} // namespace headscope
