// SPDX-License-Identifier: GPL-3.0-or-later
// Reports of a masking experiment.
#include "app/methods/base/values.h"
#include "app/methods/mask/mask_run.h"
#include "core/vocabulary/head_id.h"

namespace headscope::methods {

nlohmann::json to_json(const NamedMasking& masking) {
  const MaskingResult& result = masking.result;
  nlohmann::json masked = nlohmann::json::array(), random = nlohmann::json::array(), heads = nlohmann::json::array(),
                 moved = nlohmann::json::array();
  for (std::size_t step = 0; step < result.counts.size(); ++step) {
    masked.push_back(number(result.mean(result.strongest(step))));
    nlohmann::json seeds = nlohmann::json::array();
    std::int64_t moves = 0;
    for (std::size_t seed = 0; seed < static_cast<std::size_t>(result.seeds); ++seed) {
      seeds.push_back(number(result.mean(result.control(step, seed))));
      moves += result.moved[result.control(step, seed)];
    }
    random.push_back(std::move(seeds));
    moved.push_back(moves);
  }
  for (const HeadId& head : result.heads[result.strongest(result.counts.size() - 1)])
    heads.push_back(head_name(head));
  return {{"name", masking.name},
          {"task", masking.task},
          {"method", masking.method},
          {"phase", masking.phase},
          {"metric", masking.metric},
          {"units", masking.units},
          {"tasks", result.n_tasks},
          {"ranking", masking.ranking},
          {"heads", heads},
          {"counts", result.counts},
          {"clean", number(result.mean(0))},
          {"masked", masked},
          {"random", random},
          {"excluded", result.excluded},
          {"moved", moved},
          {"complete", result.complete}};
}

std::string masking_table(const NamedMasking& masking) {
  const MaskingResult& result = masking.result;
  std::vector<std::vector<std::string>> lines = {{"heads masked", "strongest", "random", "random from", "to"}};
  for (std::size_t step = 0; step < result.counts.size(); ++step) {
    const auto [low, high] = result.control_range(step);
    lines.push_back({std::to_string(result.counts[step]), fixed(result.mean(result.strongest(step)), 4),
                     fixed(result.control_mean(step), 4), fixed(low, 4), fixed(high, 4)});
  }
  return masking.task + ", " + masking.method + ", " + masking.phase + ": " + masking.metric + " over " +
         std::to_string(result.n_tasks) + " tasks; with nothing masked " + fixed(result.mean(0), 4) + "\n" +
         aligned(lines);
}

} // namespace headscope::methods
