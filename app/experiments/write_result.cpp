// SPDX-License-Identifier: GPL-3.0-or-later
// Writes the result file of an experiment: model by model, then what all have in common.
#include <algorithm>
#include <set>

#include "app/experiments/bound.h"
#include "app/runs/result_parts.h"

namespace headscope::experiments {
namespace {

// Stores prompts of the model in memory that no earlier model had.
Status store_tasks(store::ResultWriter& writer, const BoundExperiment& bound, std::set<std::string>& stored) {
  for (const ExperimentTask& task : bound.spec.tasks) {
    const TaskSet& made = bound.tasks.at(task.name);
    const std::string& label = bound.labels.at(task.name);
    if (!stored.insert(label).second) continue;
    store::Attributes used = option_attributes(task.options);
    used.push_back({"dropped", methods::dropped_lines(made)});
    HS_TRY(writer.set_options("task-" + label, used));
    HS_TRY(store_task(writer, bound.engine->model(), label, made));
  }
  return {};
}

// The attributes that all models share, and the models' names.
store::Attributes common_attributes(const std::vector<store::Attributes>& all, const std::vector<std::string>& names) {
  std::string together;
  for (const std::string& name : names)
    together += (together.empty() ? "" : ", ") + name;
  store::Attributes out = {{"name", together}, {"models", names}};
  for (const store::Attribute& first : all.front()) {
    const bool everywhere = std::all_of(all.begin(), all.end(), [&](const store::Attributes& each) {
      return std::any_of(each.begin(), each.end(), [&](const store::Attribute& other) {
        return other.name == first.name && other.value == first.value;
      });
    });
    if (everywhere && first.name != "name") out.push_back(first);
  }
  return out;
}

// Stores /model and /options/model of a file about several models.
Status store_common(store::ResultWriter& writer, const BoundExperiment& bound,
                    const std::vector<store::Attributes>& models, const std::vector<std::string>& names) {
  if (models.empty()) return {};
  HS_TRY(writer.set_model(common_attributes(models, names)));
  std::vector<std::string> paths;
  for (const ExperimentModel& model : bound.spec.models)
    paths.push_back(model.path);
  store::Attributes how = option_attributes(bound.spec.model);
  for (store::Attribute& each : how)
    if (each.name == "model") each.value = paths;
  return writer.set_options("model", how);
}

store::Table table_of_steps(const BoundExperiment& bound) {
  store::Column names{"name", std::vector<std::string>(), "label", "name of the step"};
  store::Column methods{"method", std::vector<std::string>(), "label", "what it does"};
  store::Column tasks{"task", std::vector<std::string>(), "label", "the task it is done on, or nothing"};
  store::Column firsts{"first_cell", std::vector<std::int64_t>(), "index", "its first cell"};
  store::Column counts{"cells", std::vector<std::int64_t>(), "cell", "how many cells it has"};
  store::Column models{"model", std::vector<std::string>(), "label", "the model it is done on, of /models"};
  for (const Part& part : bound.parts) {
    std::get<std::vector<std::string>>(names.values).push_back(part.name);
    std::get<std::vector<std::string>>(methods.values).emplace_back(bound.step_of(part).id());
    std::get<std::vector<std::string>>(tasks.values).push_back(bound.step_of(part).task);
    std::get<std::vector<std::int64_t>>(firsts.values).push_back(part.first_cell);
    std::get<std::vector<std::int64_t>>(counts.values).push_back(part.cells());
    std::get<std::vector<std::string>>(models.values).push_back(bound.spec.models[part.model].name);
  }
  store::Table table{{names, methods, tasks, firsts, counts}, {}};
  if (bound.several()) table.columns.push_back(models);
  return table;
}

Status store_experiment(store::ResultWriter& writer, const BoundExperiment& bound, const CellResults& done) {
  HS_TRY(writer.add_table("/experiment/steps", table_of_steps(bound)));
  store::ArraySpec spec;
  spec.dtype = store::DType::uint8;
  spec.axes = {{"cell", {}}};
  spec.shape = {bound.cells()};
  spec.long_name = "1: the cell is finished";
  std::vector<std::int64_t> finished(static_cast<std::size_t>(bound.cells()), 0);
  for (const auto& [cell, result] : done)
    finished[static_cast<std::size_t>(cell)] = 1;
  HS_TRY(writer.add_array("/experiment/finished", spec, std::span<const std::int64_t>(finished)));
  return writer.set_attributes(
      "/experiment", {{"name", bound.spec.name}, {"text", bound.spec.text}, {"fingerprint", bound.fingerprint}});
}

std::vector<std::int64_t> seeds_of(const BoundExperiment& bound) {
  std::vector<std::int64_t> seeds;
  for (const ExperimentTask& task : bound.spec.tasks)
    seeds.push_back(static_cast<std::int64_t>(task.options.seed));
  return seeds;
}

bool has_finished_cells(const BoundExperiment& bound, std::size_t model, const CellResults& done) {
  return std::any_of(bound.parts.begin(), bound.parts.end(), [&](const Part& part) {
    const auto first = done.lower_bound(part.first_cell);
    return part.model == model && first != done.end() && first->first < part.end();
  });
}

// Stores the results of the model in memory.
Status store_steps(store::ResultWriter& writer, const BoundExperiment& bound, const CellResults& done) {
  for (const Part& part : bound.parts)
    if (part.model == bound.model)
      HS_TRY(bound.step_of(part).cells->store(writer, BoundExperiment::of_part(part, done)));
  return {};
}

} // namespace

Status write_result(BoundExperiment& bound, const CellResults& done, const std::string& path, bool overwrite,
                    const store::Provenance& provenance, const methods::Context& context) {
  store::ResultOptions how;
  how.overwrite = overwrite;
  how.provenance = provenance;
  how.provenance.seeds = seeds_of(bound);
  HS_ASSIGN(store::ResultWriter writer, store::ResultWriter::create(path, how));
  std::set<std::string> tasks;
  std::vector<store::Attributes> models;
  std::vector<std::string> names;
  for (std::size_t m = 0; m < bound.spec.models.size(); ++m) {
    if (bound.several() && !has_finished_cells(bound, m, done)) continue;
    HS_TRY(bound.open(m, context));
    const Model& model = bound.engine->model();
    models.push_back(model_attributes(model));
    names.push_back(bound.spec.models[m].name);
    HS_TRY(bound.several() ? writer.set_model(models.back(), names.back())
                           : store_model(writer, model, option_attributes(bound.spec.model)));
    HS_TRY(store_tasks(writer, bound, tasks));
    HS_TRY(store_steps(writer, bound, done));
  }
  if (bound.several()) HS_TRY(store_common(writer, bound, models, names));
  HS_TRY(store_experiment(writer, bound, done));
  return writer.commit(static_cast<std::int64_t>(done.size()) == bound.cells());
}

} // namespace headscope::experiments
