// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/base/speed.h"

#include <chrono>

#include <ATen/ATen.h>

namespace headscope::methods {

Result<double> seconds_per_token(const Engine& engine, const TokenRows& rows, const CancelToken& cancel) {
  RunRequest request;
  request.batch = TokenBatch::pad(rows, TokenBatch::Side::right);
  request.until = LogitRows::last;
  request.cancel = cancel;
  HS_TRY(engine.run(request));
  const auto begin = std::chrono::steady_clock::now();
  HS_ASSIGN(const RunResult result, engine.run(request));
  if (result.logits.is_cuda()) static_cast<void>(result.logits.cpu()); // waits for the device
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return seconds / static_cast<double>(request.batch.tokens.numel());
}

} // namespace headscope::methods
