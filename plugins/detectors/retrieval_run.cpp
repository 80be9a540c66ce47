// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/detectors/retrieval_run.h"

#include "core/engine/generate.h"
#include "core/scoring/rouge.h"

namespace headscope {

Result<RetrievalRun> run_retrieval(const Engine& engine, const RetrievalPrompt& prompt, const std::string& expected,
                                   std::int64_t max_new_tokens, const CancelToken& cancel) {
  const Tokenizer& tokenizer = *engine.model().tokenizer;
  CopyCounter counter(engine.config(), prompt);
  int passes = 0; // forward passes begun: the first is the prefill, which is not watched
  AttentionObserver observer;
  observer.wants = [&](int layer) {
    if (layer == 0) ++passes;
    return passes > 1;
  };
  observer.tile = [&](const PatternTile& tile) { counter.see(tile); };
  GenerateOptions generation;
  generation.max_new_tokens = max_new_tokens;
  generation.last_prompt_token_decodes = true;
  generation.stop_at_eos = false; // as in the authors' code, only a newline ends an answer
  generation.observer = &observer;
  generation.control.cancel = cancel;
  generation.on_token = [&](std::int64_t token) {
    counter.generated(token);
    return tokenizer.text(token).find('\n') == std::string::npos;
  };
  HS_ASSIGN(Generation generated, generate(engine, prompt.ids, generation));
  RetrievalRun run;
  run.tokens = std::move(generated.tokens);
  run.answer = tokenizer.decode(run.tokens, /*skip_special=*/true);
  run.rouge = rouge1(expected, run.answer).recall;
  run.code = counter.code_score();
  run.set = counter.set_score();
  run.copies = counter.copies();
  return run;
}

} // namespace headscope
