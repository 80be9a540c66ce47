// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine/cache_job.h"

#include "app/gui/engine/ablation_interventions.h"
#include "app/gui/engine/layer_attention.h"

namespace headscope::gui {

namespace {

std::size_t bytes_of(const KeptRuns& runs) {
  std::size_t bytes = runs.long_run ? runs.long_run->resid_pre.nbytes() : 0;
  if (runs.clean)
    for (const at::Tensor& resid : runs.clean->resid_pre)
      bytes += resid.nbytes();
  return bytes;
}

} // namespace

CacheUse cache_use(const EngineState& state) {
  CacheUse use;
  for (const auto& layer : state.attention)
    use.bytes += layer->bytes();
  use.layers = state.attention.size();
  use.bytes += bytes_of({state.clean, state.long_run});
  for (const auto& [plan, runs] : state.other_runs)
    use.bytes += bytes_of(runs);
  return use;
}

CacheUse limit_cache(EngineState& state, std::size_t bytes) {
  state.attention_bytes = bytes;
  drop_oldest(state);
  return cache_use(state);
}

CacheUse clear_cache(EngineState& state) {
  state.attention.clear();
  state.other_runs.clear();
  state.clean.reset();
  state.long_run.reset();
  state.reference.reset();
  return cache_use(state);
}

} // namespace headscope::gui
