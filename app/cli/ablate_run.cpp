// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/ablate_run.h"

#include <cmath>

#include "app/cli/interrupt.h"
#include "app/cli/progress.h"

namespace headscope::cli {
namespace {

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
    HS_TRY(writer.add_prompt(prompt_of(engine.model(), task.ids[i], task.prompts[i].tokens, task.prompts[i].answers)));
  }
  return {};
}

// The prompts that mean and resample take activations from, where they are others.
Status store_reference(store::ResultWriter& writer, const Engine& engine, const HeadAblationOptions& options) {
  for (std::size_t i = 0; i < options.reference.size(); ++i)
    HS_TRY(writer.add_prompt(prompt_of(engine.model(), "reference-" + std::to_string(i), options.reference[i])));
  return {};
}

Status store_donor_names(store::ResultWriter& writer, const AblationTask& task, const HeadAblationOptions& options,
                         const std::vector<std::int64_t>& donors) {
  std::vector<std::string> names;
  for (const std::int64_t donor : donors)
    names.push_back(options.reference.empty() ? task.ids[static_cast<std::size_t>(donor)]
                                              : "reference-" + std::to_string(donor));
  return writer.add_strings("/ablation/" + task.name + "/donors", {"prompt", task.ids}, names,
                            "the prompt whose activations each prompt gets");
}

Status store_replaced(store::ResultWriter& writer, const AblationTask& task, const std::vector<double>& replaced) {
  store::ArraySpec spec;
  spec.axes = {{"prompt", task.ids}};
  spec.shape = {std::ssize(replaced)};
  spec.units = "1";
  spec.long_name = "share of the positions of the phase that get activations of the other prompt; the rest stays clean";
  return writer.add_array("/ablation/" + task.name + "/replaced", spec, std::span(replaced));
}

} // namespace

Status store_donors(store::ResultWriter& writer, const AblationTask& task, const HeadAblationOptions& options,
                    const std::vector<std::int64_t>& donors, const std::vector<double>& replaced) {
  if (donors.empty()) return {};
  HS_TRY(store_donor_names(writer, task, options, donors));
  return store_replaced(writer, task, replaced);
}

TokenRows AblationTask::rows() const {
  TokenRows rows;
  for (const AblationPrompt& prompt : prompts)
    rows.push_back(prompt.tokens);
  return rows;
}

Status warn_unspaced(const Engine& engine, const TokenRows& prompts, const std::vector<UnspacedAnswer>& answers,
                     const Console& console) {
  if (answers.empty()) return {};
  HS_ASSIGN(const std::string warning, leading_space_warning(engine, prompts, answers, console.task().cancel));
  if (!warning.empty()) console.warn(warning);
  return {};
}

store::AblationSpec ablation_spec(const Engine& engine, const AblationTask& task, const HeadAblationOptions& options) {
  store::AblationSpec spec;
  spec.name = task.name;
  spec.n_layers = engine.config().n_layers;
  spec.n_heads = engine.config().n_heads;
  spec.prompts = task.ids;
  spec.method = to_string(options.method);
  spec.phase = to_string(options.phase);
  spec.metric = to_string(options.metric);
  spec.units = units_of(options.metric);
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
  if (!result.ok()) return result;
  if (const std::string note = reference_note(options, task.prompts, *result); !note.empty())
    console.warn(std::string(to_string(options.method)) + ": " + note);
  if (writer) HS_TRY(store_donors(*writer, task, options, result->donors, result->replaced));
  return result;
}

} // namespace headscope::cli
