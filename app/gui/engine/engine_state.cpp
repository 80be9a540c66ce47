// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine/engine_state.h"

#include <ATen/ATen.h>

namespace headscope::gui {

Result<std::shared_ptr<const Engine>> open_engine(const EngineState& state) {
  if (state.plan_error) return *state.plan_error;
  if (!state.engine) return make_error(ErrorCode::not_found, "no model is open; open one first");
  return state.engine;
}

Result<const CleanRun*> clean_run(EngineState& state, const std::vector<std::int64_t>& tokens,
                                  const CancelToken& cancel) {
  HS_ASSIGN(const auto engine, open_engine(state));
  if (state.clean && state.clean->tokens == tokens) return &*state.clean;
  state.clean.reset();
  RunRequest request;
  request.batch = TokenBatch::single(tokens);
  request.cancel = cancel;
  request.until = LogitRows::last;
  for (int layer = 0; layer < engine->config().n_layers; ++layer)
    request.capture.push_back({HookPoint::resid_pre, layer});
  HS_ASSIGN(RunResult run, engine->run(request));
  CleanRun clean;
  clean.tokens = tokens;
  clean.logits = run.logits[0];
  for (const HookSite& site : request.capture) {
    HS_ASSIGN(at::Tensor resid, run.cache.get(site));
    clean.resid_pre.push_back(std::move(resid));
  }
  state.clean = std::move(clean);
  return &*state.clean;
}

TokenInfo token_info(const Tokenizer& tokenizer, std::int64_t id) {
  return {id, tokenizer.piece(id), tokenizer.text(id), tokenizer.is_special(id)};
}

} // namespace headscope::gui
