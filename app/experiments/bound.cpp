// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/experiments/bound.h"

#include <algorithm>
#include <thread>

#include "app/runs/result_parts.h"
#include "core/base/sha256.h"

namespace headscope::experiments {
namespace {

void share_machine(methods::ModelOptions& model, const Ranks& ranks) {
  if (ranks.local_size() <= 1) return;
  if (model.device == "cuda") model.device = "cuda:" + std::to_string(ranks.local_rank());
  const auto cores = static_cast<int>(std::thread::hardware_concurrency());
  if (model.threads == 0 && model.device == "cpu") model.threads = std::max(1, cores / ranks.local_size());
}

std::string fingerprint_of(const BoundExperiment& bound) {
  const Model& model = bound.engine->model();
  nlohmann::json all = {bound.spec.text,         headscope_version(),     libtorch_version(),
                        model.identity.sha256(), dtype_name(model.dtype), model.device.is_cuda() ? "cuda" : "cpu"};
  for (const auto& [name, task] : bound.tasks)
    for (const TaskCase& each : task.cases)
      all.push_back({each.tokens.clean, each.tokens.corrupt, each.tokens.answers.answer, each.tokens.answers.wrong});
  const std::vector<std::uint8_t> bytes = nlohmann::json::to_cbor(all);
  return sha256_hex(bytes.data(), bytes.size());
}

Status bind_steps(BoundExperiment& bound) {
  bound.first_cells = {0};
  for (const auto& step : bound.spec.steps) {
    methods::CellInput input{bound.engine.get(), nullptr, step->task, step->name};
    if (step->cells->needs_task()) input.task = &bound.tasks.at(step->task);
    const Status status = step->cells->bind(input);
    if (!status.ok()) {
      const Error& error = status.error();
      const std::string field = "step " + step->name + (error.field.empty() ? "" : ": " + error.field);
      return make_error(error.code, error.message, bound.spec.file, field);
    }
    bound.first_cells.push_back(bound.first_cells.back() + step->cells->count());
  }
  return {};
}

Status store_experiment(store::ResultWriter& writer, const BoundExperiment& bound, const CellResults& done) {
  store::Column names{"name", std::vector<std::string>(), "label", "name of the step"};
  store::Column methods{"method", std::vector<std::string>(), "label", "what it does"};
  store::Column tasks{"task", std::vector<std::string>(), "label", "the task it is done on, or nothing"};
  store::Column firsts{"first_cell", std::vector<std::int64_t>(), "index", "its first cell"};
  store::Column counts{"cells", std::vector<std::int64_t>(), "cell", "how many cells it has"};
  for (std::size_t s = 0; s < bound.spec.steps.size(); ++s) {
    const Step& step = *bound.spec.steps[s];
    std::get<std::vector<std::string>>(names.values).push_back(step.name);
    std::get<std::vector<std::string>>(methods.values).push_back(step.id());
    std::get<std::vector<std::string>>(tasks.values).push_back(step.task);
    std::get<std::vector<std::int64_t>>(firsts.values).push_back(bound.first_cells[s]);
    std::get<std::vector<std::int64_t>>(counts.values).push_back(step.cells->count());
  }
  HS_TRY(writer.add_table("/experiment/steps", {{names, methods, tasks, firsts, counts}, {}}));
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

} // namespace

std::size_t BoundExperiment::step_of(std::int64_t cell) const {
  const auto after = std::upper_bound(first_cells.begin(), first_cells.end(), cell);
  return static_cast<std::size_t>(after - first_cells.begin()) - 1;
}

bool BoundExperiment::waits(std::int64_t cell) const {
  const std::size_t step = step_of(cell);
  return spec.steps[step]->cells->waits(cell - first_cells[step]);
}

CellResults BoundExperiment::of_step(std::size_t step, const CellResults& all) const {
  CellResults own;
  for (auto it = all.lower_bound(first_cells[step]); it != all.end() && it->first < first_cells[step + 1]; ++it)
    own.emplace(it->first - first_cells[step], it->second);
  return own;
}

Result<nlohmann::json> BoundExperiment::run(std::int64_t cell, const CellResults& all,
                                            const methods::Context& context) const {
  const std::size_t step = step_of(cell);
  const CellResults others = waits(cell) ? of_step(step, all) : CellResults{};
  auto result = spec.steps[step]->cells->run(cell - first_cells[step], others, context);
  if (result.ok()) return result;
  const Error& error = result.error();
  if (error.code == ErrorCode::cancelled) return error;
  const std::string field = "step " + spec.steps[step]->name + (error.field.empty() ? "" : ": " + error.field);
  return make_error(error.code, error.message, error.file.empty() ? spec.file : error.file, field);
}

Result<BoundExperiment> bind_experiment(Experiment experiment, const Ranks& ranks, const methods::Context& context) {
  BoundExperiment bound;
  bound.spec = std::move(experiment);
  methods::ModelOptions model = bound.spec.model;
  share_machine(model, ranks);
  HS_ASSIGN(const auto loaded, load(model, context, true));
  HS_ASSIGN(Engine engine, methods::open_engine(loaded, model));
  bound.engine = std::make_unique<Engine>(std::move(engine));
  for (const ExperimentTask& task : bound.spec.tasks) {
    auto made = make_task(*loaded->tokenizer, task.options.request());
    if (!made.ok()) {
      const Error& error = made.error();
      const std::string field = "task " + task.name + (error.field.empty() ? "" : ": " + error.field);
      return make_error(error.code, error.message, error.file.empty() ? bound.spec.file : error.file, field);
    }
    if (ranks.rank() == 0) methods::note_dropped(methods::dropped_lines(*made), context);
    bound.tasks.emplace(task.name, std::move(*made));
  }
  HS_TRY(bind_steps(bound));
  bound.fingerprint = fingerprint_of(bound);
  return bound;
}

Status write_result(const BoundExperiment& bound, const CellResults& done, const std::string& path, bool overwrite,
                    const store::Provenance& provenance) {
  store::ResultOptions how;
  how.overwrite = overwrite;
  how.provenance = provenance;
  how.provenance.seeds = seeds_of(bound);
  HS_ASSIGN(store::ResultWriter writer, store::ResultWriter::create(path, how));
  HS_TRY(store_model(writer, bound.engine->model(), option_attributes(bound.spec.model)));
  for (const ExperimentTask& task : bound.spec.tasks) {
    const TaskSet& made = bound.tasks.at(task.name);
    store::Attributes used = option_attributes(task.options);
    used.push_back({"dropped", methods::dropped_lines(made)});
    HS_TRY(writer.set_options("task-" + task.name, used));
    HS_TRY(store_task(writer, bound.engine->model(), task.name, made));
  }
  for (std::size_t s = 0; s < bound.spec.steps.size(); ++s)
    HS_TRY(bound.spec.steps[s]->cells->store(writer, bound.of_step(s, done)));
  HS_TRY(store_experiment(writer, bound, done));
  return writer.commit(static_cast<std::int64_t>(done.size()) == bound.cells());
}

} // namespace headscope::experiments
