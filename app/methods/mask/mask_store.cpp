// SPDX-License-Identifier: GPL-3.0-or-later
// Stores a masking in a result file.
#include "app/methods/mask/mask_run.h"
#include "core/vocabulary/head_id.h"

namespace headscope::methods {
namespace {

std::string variant_label(const MaskingResult& result, std::size_t variant) {
  if (variant == 0) return "clean";
  const auto per_count = static_cast<std::size_t>(result.seeds + 1);
  const std::string count = std::to_string(result.counts[(variant - 1) / per_count]);
  const std::size_t place = (variant - 1) % per_count;
  return place == 0 ? "strongest-" + count : "random-" + count + "-" + std::to_string(place - 1);
}

std::vector<double> control_means(const MaskingResult& result, std::size_t count) {
  std::vector<double> means;
  for (std::size_t seed = 0; seed < static_cast<std::size_t>(result.seeds); ++seed)
    means.push_back(result.mean(result.control(count, seed)));
  return means;
}

// Every variant except the clean one, with one row per head.
store::Table heads_table(const MaskingResult& result) {
  std::vector<std::string> variants, heads;
  for (std::size_t variant = 1; variant < result.heads.size(); ++variant)
    for (const HeadId& head : result.heads[variant]) {
      variants.push_back(variant_label(result, variant));
      heads.push_back(head_name(head));
    }
  store::Table table;
  table.columns = {{"variant", variants, "label", "of the axis of scores"}, {"head", heads, "label", "that it masks"}};
  return table;
}

store::Table answers_table(const MaskingResult& result, const std::vector<MaskPrompt>& tasks) {
  std::vector<std::string> variants, ids, answers;
  for (std::size_t variant = 0; variant < result.heads.size(); ++variant)
    for (std::size_t task = 0; task < tasks.size(); ++task) {
      variants.push_back(variant_label(result, variant));
      ids.push_back(tasks[task].id);
      answers.push_back(result.answers[variant * tasks.size() + task]);
    }
  store::Table table;
  table.columns = {{"variant", variants, "label", "of the axis of scores"},
                   {"task", ids, "label", "of the axis of scores"},
                   {"answer", answers, "text", "what was generated"}};
  return table;
}

} // namespace

Status store_masking(store::ResultWriter& writer, const NamedMasking& masking, const std::vector<MaskPrompt>& tasks) {
  const MaskingResult& result = masking.result;
  const std::string group = "/masking/" + masking.name;
  const std::int64_t steps = std::ssize(result.counts);
  HS_TRY(writer.set_attributes(group, {{"task", masking.task},
                                       {"method", masking.method},
                                       {"phase", masking.phase},
                                       {"metric", masking.metric},
                                       {"units", masking.units},
                                       {"ranking", masking.ranking},
                                       {"excluded", result.excluded},
                                       {"seeds", result.seeds},
                                       {"clean", result.mean(0)}}));
  std::vector<double> masked, random;
  for (std::size_t step = 0; step < result.counts.size(); ++step) {
    masked.push_back(result.mean(result.strongest(step)));
    for (const double value : control_means(result, step))
      random.push_back(value);
  }
  store::ArraySpec spec;
  spec.dtype = store::DType::int64;
  spec.axes = {{"step", {}}};
  spec.shape = {steps};
  spec.units = "head";
  spec.long_name = "how many heads are masked";
  HS_TRY(writer.add_array(group + "/count", spec, std::span<const std::int64_t>(result.counts)));
  spec.dtype = store::DType::float64;
  spec.units = masking.units;
  spec.long_name = masking.metric + " with the strongest heads masked";
  HS_TRY(writer.add_array(group + "/masked", spec, std::span<const double>(masked)));
  spec.axes = {{"step", {}}, {"seed", {}}};
  spec.shape = {steps, result.seeds};
  spec.long_name = masking.metric + " with random heads of the same layers masked";
  HS_TRY(writer.add_array(group + "/random", spec, std::span<const double>(random)));
  std::vector<std::string> variants, ids;
  for (std::size_t variant = 0; variant < result.heads.size(); ++variant)
    variants.push_back(variant_label(result, variant));
  for (const MaskPrompt& task : tasks)
    ids.push_back(task.id);
  spec.axes = {{"variant", variants}, {"task", ids}};
  spec.shape = {std::ssize(variants), std::ssize(ids)};
  spec.long_name = masking.metric;
  HS_TRY(writer.add_array(group + "/scores", spec, std::span<const double>(result.scores)));
  HS_TRY(writer.add_table(group + "/heads", heads_table(result)));
  if (tasks.front().judge == MaskJudge::log_prob) return {};
  return writer.add_table(group + "/answers", answers_table(result, tasks));
}

} // namespace headscope::methods
