// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine/generate_job.h"

#include <algorithm>
#include <chrono>

#include "app/gui/engine/ablation_interventions.h"
#include "core/engine/generate.h"

namespace headscope::gui {
namespace {

constexpr auto step_pause = std::chrono::milliseconds(66);

Continuation continuation_of(const Tokenizer& tokenizer, const std::vector<std::int64_t>& ids, bool complete) {
  Continuation continuation;
  for (const std::int64_t id : ids)
    continuation.tokens.push_back(token_info(tokenizer, id));
  continuation.text = tokenizer.decode(ids, true);
  continuation.complete = complete;
  return continuation;
}

} // namespace

Result<Continuation> generate_text(EngineState& state, const GenerateRequest& request, const RunControl& control,
                                   const std::function<void(Continuation)>& step) {
  HS_ASSIGN(const auto engine, open_engine(state));
  const std::int64_t room = engine->longest_text() - static_cast<std::int64_t>(request.tokens.size());
  if (room <= 0)
    return make_error(ErrorCode::mismatch, "the prompt fills the model's context; shorten it to generate text");
  GenerateOptions options;
  HS_ASSIGN(options.interventions, generation_interventions(state, request.tokens, request.ablation, control));
  options.max_new_tokens = std::min(request.new_tokens, room);
  options.temperature = request.temperature;
  options.seed = request.seed;
  options.last_prompt_token_decodes = true; // so that the phases mean what they mean in a prediction
  options.control = control;
  const Tokenizer& tokenizer = *engine->model().tokenizer;
  std::vector<std::int64_t> ids;
  auto last = std::chrono::steady_clock::now();
  options.on_token = [&](std::int64_t id) {
    ids.push_back(id);
    const auto now = std::chrono::steady_clock::now();
    if (step && now - last >= step_pause) {
      last = now;
      step(continuation_of(tokenizer, ids, false));
    }
    return !control.cancel.cancelled();
  };
  const auto generated = generate(*engine, request.tokens, options);
  if (!generated.ok() && generated.error().code != ErrorCode::cancelled) return generated.error();
  return continuation_of(tokenizer, ids, generated.ok() && !control.cancel.cancelled());
}

} // namespace headscope::gui
