// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/ablate_run.h"

#include <cmath>

#include "app/cli/interrupt.h"
#include "app/cli/progress.h"

namespace headscope::cli {
namespace {

const char* metric_units(MetricKind metric) {
  switch (metric) {
  case MetricKind::logit_diff: return "logit";
  case MetricKind::kl_divergence:
  case MetricKind::js_divergence: return "nat";
  case MetricKind::answer_rank: return "rank";
  default: return "1";
  }
}

Status store_part(store::AblationWriter& writer, const HeadAblationPart& part) {
  const HeadAblationResult& result = *part.result;
  for (const std::int64_t prompt : part.prompts) {
    HS_TRY(writer.write_clean(prompt, static_cast<float>(result.clean[static_cast<std::size_t>(prompt)])));
    std::vector<float> row;
    for (std::int64_t head = 0; head < result.n_heads; ++head)
      row.push_back(static_cast<float>(result.effect(prompt, part.layer, head)));
    HS_TRY(writer.write_layers(prompt, part.layer, row));
  }
  return {};
}

Status store_prompts(store::ResultWriter& writer, const Engine& engine, const AblationTask& task) {
  if (!task.dropped.empty()) HS_TRY(writer.set_attributes("/prompts", {{"dropped", task.dropped}}));
  for (std::size_t i = 0; i < task.prompts.size(); ++i) {
    if (interrupted()) return make_error(ErrorCode::cancelled, "interrupted before anything was measured");
    store::Prompt prompt = prompt_of(engine.model(), task.ids[i], task.prompts[i].tokens);
    prompt.attributes = {{"answer_ids", task.prompts[i].answers.answer}, {"wrong_ids", task.prompts[i].answers.wrong}};
    HS_TRY(writer.add_prompt(prompt));
  }
  return {};
}

// The prompts that mean and resample take activations from, where they are others.
Status store_reference(store::ResultWriter& writer, const Engine& engine, const HeadAblationOptions& options) {
  for (std::size_t i = 0; i < options.reference.size(); ++i)
    HS_TRY(writer.add_prompt(prompt_of(engine.model(), "reference-" + std::to_string(i), options.reference[i])));
  return {};
}

Status store_donors(store::ResultWriter& writer, const AblationTask& task, const HeadAblationOptions& options,
                    const std::vector<std::int64_t>& donors) {
  std::vector<std::string> names;
  for (const std::int64_t donor : donors)
    names.push_back(options.reference.empty() ? task.ids[static_cast<std::size_t>(donor)]
                                              : "reference-" + std::to_string(donor));
  return writer.add_strings("/ablation/" + task.name + "/donors", {"prompt", task.ids}, names,
                            "the prompt whose activations each prompt gets");
}

} // namespace

store::AblationSpec ablation_spec(const Engine& engine, const AblationTask& task, const HeadAblationOptions& options) {
  store::AblationSpec spec;
  spec.name = task.name;
  spec.n_layers = engine.config().n_layers;
  spec.n_heads = engine.config().n_heads;
  spec.prompts = task.ids;
  spec.method = to_string(options.method);
  spec.phase = to_string(options.phase);
  spec.metric = to_string(options.metric);
  spec.units = metric_units(options.metric);
  spec.attributes = {{"seed", static_cast<std::int64_t>(options.seed)},
                     {"mean_by_position", options.mean_by_position},
                     {"reference_prompts", static_cast<std::int64_t>(options.reference.size())}};
  return spec;
}

Result<HeadAblationResult> run_ablation(const Engine& engine, const AblationTask& task,
                                        const HeadAblationOptions& options, const Console& console,
                                        store::ResultWriter* writer) {
  std::optional<store::AblationWriter> rows;
  if (writer) {
    HS_TRY(store_prompts(*writer, engine, task));
    HS_TRY(store_reference(*writer, engine, options));
    HS_ASSIGN(rows, writer->begin_ablation(ablation_spec(engine, task, options)));
  }
  HeadAblationCallback callback;
  if (rows) callback = [&](const HeadAblationPart& part) { return store_part(*rows, part); };
  console.begin_step();
  auto result = ablate_heads(engine, task.prompts, options, console.task(), callback);
  finish_progress();
  if (result.ok() && writer && !result->donors.empty()) HS_TRY(store_donors(*writer, task, options, result->donors));
  return result;
}

} // namespace headscope::cli
