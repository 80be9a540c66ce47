// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/detectors/evidence.h"

#include <cmath>
#include <cstdio>
#include <numbers>

#include <ATen/ATen.h>

#include "core/base/random.h"

namespace headscope {

store::Prompt prompt_evidence(const Engine& engine, const std::string& id, const std::vector<std::int64_t>& token_ids) {
  const auto& tokenizer = engine.model().tokenizer;
  store::Prompt prompt;
  prompt.id = id;
  prompt.token_ids = token_ids;
  for (const std::int64_t token : token_ids)
    prompt.token_pieces.push_back(tokenizer ? tokenizer->piece(token) : std::to_string(token));
  if (tokenizer) prompt.text = tokenizer->decode(token_ids);
  return prompt;
}

std::vector<float> as_floats(const std::vector<double>& values) { return {values.begin(), values.end()}; }

std::vector<double> normal_numbers(std::uint64_t seed, std::size_t count) {
  Random random(seed);
  const auto uniform = [&] { return (static_cast<double>(random.next() >> 11) + 0.5) * 0x1.0p-53; };
  std::vector<double> out(count);
  for (double& value : out) {
    const double radius = std::sqrt(-2.0 * std::log(uniform()));
    value = radius * std::cos(2.0 * std::numbers::pi * uniform());
  }
  return out;
}

Result<std::vector<double>> attention_from_last(const Engine& engine,
                                                const std::vector<std::vector<std::int64_t>>& prompts,
                                                const std::vector<std::int64_t>& keys, const CancelToken& cancel,
                                                std::vector<double>* each) {
  const std::int64_t n_layers = engine.config().n_layers, n_heads = engine.config().n_heads;
  const auto cells = static_cast<std::size_t>(n_layers * n_heads);
  std::vector<double> mean(cells, 0.0);
  if (each) each->assign(prompts.size() * cells, 0.0);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    AttentionObserver observer;
    observer.tile = [&](const PatternTile& tile) {
      const std::int64_t row = static_cast<std::int64_t>(prompts[i].size()) - 1 - tile.query_begin;
      if (row < 0 || row >= tile.pattern.size(2)) return;
      const at::Tensor weights = tile.pattern.select(0, 0).select(1, row).select(1, keys[i]).to(at::kDouble).cpu();
      for (std::int64_t head = 0; head < n_heads; ++head) {
        const auto cell = static_cast<std::size_t>(tile.layer * n_heads + head);
        const double weight = weights[head].item<double>();
        mean[cell] += weight / static_cast<double>(prompts.size());
        if (each) (*each)[i * cells + cell] = weight;
      }
    };
    RunRequest request;
    request.batch = TokenBatch::single(prompts[i]);
    request.until = LogitRows::none;
    request.observer = &observer;
    request.cancel = cancel;
    HS_TRY(engine.run(request));
  }
  return mean;
}

namespace {

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

} // namespace

void name_heads_where(DetectorResult& result, const std::vector<HeadCondition>& conditions) {
  name_heads(result);
  for (const HeadCondition& condition : conditions)
    result.conditions.push_back(condition.name + " >= " + short_number(condition.least));
  std::erase_if(result.heads, [&](const HeadId& head) {
    const std::size_t index = result.index(head.layer, head.head);
    for (const HeadCondition& condition : conditions) {
      const double value = condition.value(index);
      if (value >= condition.least) continue;
      result.unnamed.push_back({head, condition.name + " " + short_number(value)});
      return true;
    }
    return false;
  });
}

} // namespace headscope
