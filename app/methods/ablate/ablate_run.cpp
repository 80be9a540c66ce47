// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/ablate/ablate_run.h"

#include <optional>
#include <span>

#include "app/runs/result_parts.h"

namespace headscope::methods {
namespace {

std::string path_of(const AblationTask& task, const char* part) {
  std::string path = task.folder;
  path += task.name;
  path += part;
  return path;
}

std::string reference_name(std::int64_t number) { return std::string("reference-").append(std::to_string(number)); }

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

Status store_donor_names(store::ResultWriter& writer, const AblationTask& task, const HeadAblationOptions& options,
                         const std::vector<std::int64_t>& donors) {
  std::vector<std::string> names;
  for (const std::int64_t donor : donors)
    names.push_back(options.reference.empty() ? task.ids[static_cast<std::size_t>(donor)] : reference_name(donor));
  return writer.add_strings(path_of(task, "/donors"), {"prompt", task.ids}, names,
                            "the prompt whose activations each prompt gets");
}

Status store_replaced(store::ResultWriter& writer, const AblationTask& task, const std::vector<double>& replaced) {
  const store::ArraySpec spec{
      .axes = {{"prompt", task.ids}},
      .shape = {std::ssize(replaced)},
      .units = "1",
      .long_name = "share of the positions of the phase that get activations of the other prompt; the rest stays clean",
      .attributes = {},
      .chunk = {}};
  return writer.add_array(path_of(task, "/replaced"), spec, std::span(replaced));
}

} // namespace

Status store_reference(store::ResultWriter& writer, const Engine& engine, const HeadAblationOptions& options) {
  for (std::size_t i = 0; i < options.reference.size(); ++i)
    HS_TRY(writer.add_prompt(
        prompt_of(engine.model(), reference_name(static_cast<std::int64_t>(i)), options.reference[i])));
  return {};
}

Status store_donors(store::ResultWriter& writer, const AblationTask& task, const HeadAblationOptions& options,
                    const std::vector<std::int64_t>& donors, const std::vector<double>& replaced) {
  if (donors.empty()) return {};
  HS_TRY(store_donor_names(writer, task, options, donors));
  return store_replaced(writer, task, replaced);
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
                                        const HeadAblationOptions& options, const Context& context,
                                        store::ResultWriter* writer) {
  std::optional<store::AblationWriter> rows;
  if (writer) {
    HS_TRY(store_prompts(*writer, engine.model(), task, context));
    HS_TRY(store_reference(*writer, engine, options));
    HS_ASSIGN(rows, writer->begin_ablation(ablation_spec(engine, task, options)));
  }
  HeadAblationCallback callback;
  if (rows) callback = [&](const HeadAblationPart& part) { return store_part(*rows, part); };
  context.begin_step();
  auto result = ablate_heads(engine, task.prompts, options, context.control(), callback);
  context.finish_progress();
  if (!result.ok()) return result;
  if (const std::string note = reference_note(options, task.prompts, *result); !note.empty())
    context.warn(std::string(to_string(options.method)) + ": " + note);
  if (writer) HS_TRY(store_donors(*writer, task, options, result->donors, result->replaced));
  return result;
}

} // namespace headscope::methods
