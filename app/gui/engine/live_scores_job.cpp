// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine/live_scores_job.h"

#include <ATen/ATen.h>

#include "app/gui/engine/engine_state.h"
#include "core/model/guard.h"

namespace headscope::gui {
namespace {

// Sums over the queries seen so far, [layer, head_index].
struct Sums {
  explicit Sums(const ModelConfig& config) {
    for (at::Tensor* sum : {&sink, &entropy, &max_weight})
      *sum = at::zeros({config.n_layers, config.n_heads}, at::kDouble);
  }
  void add(const PatternTile& tile) {
    const at::Tensor pattern = tile.pattern[0].to(at::kFloat); // [head_index, query_pos, key_pos]
    const auto add_to = [&](at::Tensor& sum, const at::Tensor& by_query) {
      sum[tile.layer].add_(by_query.sum(-1).to(at::kCPU, at::kDouble));
    };
    add_to(sink, pattern.select(2, 0));
    add_to(entropy, at::special_entr(pattern).sum(-1));
    add_to(max_weight, pattern.amax(-1));
  }
  at::Tensor sink, entropy, max_weight;
};

std::vector<float> mean_of(const at::Tensor& sum, std::size_t queries) {
  const at::Tensor mean = (sum / static_cast<double>(queries)).to(at::kFloat).contiguous();
  return {mean.const_data_ptr<float>(), mean.const_data_ptr<float>() + mean.numel()};
}

} // namespace

Result<LiveScores> live_scores(EngineState& state, const std::vector<std::int64_t>& tokens, const RunControl& control) {
  return guarded("scoring heads on the prompt", [&]() -> Result<LiveScores> {
    HS_ASSIGN(const auto engine, open_engine(state));
    const ModelConfig& config = engine->config();
    Sums sums(config);
    AttentionObserver observer;
    observer.tile = [&](const PatternTile& tile) {
      sums.add(tile);
      control.report("scoring heads", tile.layer + 1, config.n_layers);
    };
    RunRequest request;
    request.batch = TokenBatch::single(tokens);
    request.until = LogitRows::none;
    request.observer = &observer;
    request.cancel = control.cancel;
    HS_TRY(engine->run(request));
    LiveScores scores;
    scores.n_layers = static_cast<int>(config.n_layers);
    scores.n_heads = static_cast<int>(config.n_heads);
    scores.sink_mass = mean_of(sums.sink, tokens.size());
    scores.entropy = mean_of(sums.entropy, tokens.size());
    scores.max_weight = mean_of(sums.max_weight, tokens.size());
    return scores;
  });
}

} // namespace headscope::gui
