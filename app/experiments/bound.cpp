// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/experiments/bound.h"

#include <algorithm>
#include <thread>

#include "app/methods/resumable.h"
#include "app/runs/result_parts.h"

namespace headscope::experiments {
namespace {

void share_machine(methods::ModelOptions& model, const Ranks& ranks) {
  if (ranks.local_size() <= 1) return;
  if (model.device == "cuda") model.device = "cuda:" + std::to_string(ranks.local_rank());
  const auto cores = static_cast<int>(std::thread::hardware_concurrency());
  if (model.threads == 0 && model.device == "cpu") model.threads = std::max(1, cores / ranks.local_size());
}

// Adds what results depend on in the model in memory and its prompts.
Status add_to_fingerprint(const BoundExperiment& bound, nlohmann::json& all) {
  const Model& model = bound.engine->model();
  all.push_back(model.identity.sha256());
  all.push_back(dtype_name(model.dtype));
  all.push_back(model.device.is_cuda() ? "cuda" : "cpu");
  HS_ASSIGN(const std::vector<std::string> masks, methods::attention_file_hashes(bound.load));
  if (!masks.empty()) all.push_back(masks);
  for (const auto& [name, task] : bound.tasks)
    methods::add_to_fingerprint(all, task);
  for (const auto& step : bound.spec.steps)
    HS_TRY(methods::add_files_to_fingerprint(all, *step->method, *step->cells));
  return {};
}

// The hash of everything that the result file says about a task's prompts: they are stored once where they are the same
// for two models.
std::string hash_of_prompts(const Tokenizer& tokenizer, const TaskSet& task) {
  nlohmann::json all = {methods::dropped_lines(task)};
  for (const TaskCase& each : task.cases)
    for (const auto* ids :
         {&each.tokens.clean, &each.tokens.corrupt, &each.tokens.answers.answer, &each.tokens.answers.wrong}) {
      nlohmann::json pieces = nlohmann::json::array();
      for (const std::int64_t id : *ids)
        pieces.push_back({id, tokenizer.piece(id), tokenizer.text(id)});
      all.push_back({tokenizer.decode(*ids), std::move(pieces)});
    }
  return fingerprint_of(all);
}

// Places an error at a step or task, and in the experiment's file unless it names another.
Error placed(const Error& error, const std::string& what, const std::string& name, const std::string& file) {
  return make_error(error.code, error.message, error.file.empty() ? file : error.file,
                    what + " " + name + (error.field.empty() ? "" : ": " + error.field));
}

// Adds the parts of the model in memory.
void add_parts(BoundExperiment& bound) {
  for (std::size_t s = 0; s < bound.spec.steps.size(); ++s) {
    const Step& step = *bound.spec.steps[s];
    Part part{bound.model, s, with_model(step.name, bound.spec.models[bound.model]), 0, {}};
    part.first_cell = bound.parts.empty() ? 0 : bound.cells();
    for (std::int64_t cell = 0; cell < step.cells->count(); ++cell)
      part.waits.push_back(step.cells->waits(cell));
    bound.parts.push_back(std::move(part));
  }
}

// Collects the notes on the prompts of the model in memory, for the user and the summary.
void note_prompts(BoundExperiment& bound, bool aloud, const methods::Context& context) {
  const ExperimentModel& model = bound.spec.models[bound.model];
  for (const ExperimentTask& task : bound.spec.tasks) {
    const TaskSet& made = bound.tasks.at(task.name);
    std::vector<std::string> lines = methods::dropped_lines(made);
    for (std::string& line : lines)
      if (!model.name.empty()) line.insert(0, model.name + ": ");
    if (aloud) methods::note_dropped(lines, context);
    if (!made.dropped.empty()) bound.dropped[with_model(task.name, model)] = made.dropped_by_reason();
  }
}

} // namespace

Status BoundExperiment::make_tasks() {
  const Tokenizer& tokenizer = *engine->model().tokenizer;
  for (const ExperimentTask& task : spec.tasks) {
    auto made = make_task(tokenizer, task.options.request());
    if (!made.ok()) return placed(made.error(), "task", with_model(task.name, spec.models[model]), spec.file);
    labels[task.name] = task.name;
    if (several()) {
      const std::string hash = hash_of_prompts(tokenizer, *made);
      const bool as_first = first_prompts_.emplace(task.name, hash).first->second == hash;
      if (!as_first) labels[task.name] = with_model(task.name, spec.models[model]);
    }
    tasks.emplace(task.name, std::move(*made));
  }
  return {};
}

Status BoundExperiment::bind_steps() {
  fresh_ = false;
  const std::string& short_name = spec.models[model].name;
  for (const auto& step : spec.steps) {
    const std::string name = with_model(step->name, spec.models[model]);
    const auto label = labels.find(step->task);
    methods::CellInput input{engine.get(), nullptr, label == labels.end() ? step->task : label->second, name,
                             short_name};
    if (step->cells->needs_task()) input.task = &tasks.at(step->task);
    if (const Status status = step->cells->bind(input); !status.ok()) {
      Error error = status.error();
      error.file.clear(); // a mistake of the step, whatever the method says
      return placed(error, "step", name, spec.file);
    }
  }
  return {};
}

Status BoundExperiment::open(std::size_t wanted, const methods::Context& context) {
  if (engine && model == wanted) return {};
  if (!fresh_) { // steps are bound once; the text that was understood before is understood again
    HS_ASSIGN(Experiment again, parse_experiment(spec.text, spec.file));
    spec.steps = std::move(again.steps);
    fresh_ = true;
  }
  tasks.clear();
  labels.clear();
  engine.reset();
  model = wanted;
  methods::ModelOptions how = load;
  how.model = spec.models[wanted].path;
  HS_ASSIGN(auto loaded, methods::load(how, context, true));
  HS_ASSIGN(Engine opened, methods::open_engine(std::move(loaded), how));
  engine = std::make_unique<Engine>(std::move(opened));
  HS_TRY(make_tasks());
  return bind_steps();
}

const Part& BoundExperiment::part_of(std::int64_t cell) const {
  const auto after = std::upper_bound(parts.begin(), parts.end(), cell,
                                      [](std::int64_t wanted, const Part& part) { return wanted < part.first_cell; });
  return *std::prev(after);
}

bool BoundExperiment::waits(std::int64_t cell) const {
  const Part& part = part_of(cell);
  return part.waits[static_cast<std::size_t>(cell - part.first_cell)];
}

CellResults BoundExperiment::of_part(const Part& part, const CellResults& all) {
  CellResults own;
  for (auto it = all.lower_bound(part.first_cell); it != all.end() && it->first < part.end(); ++it)
    own.emplace(it->first - part.first_cell, it->second);
  return own;
}

Result<nlohmann::json> BoundExperiment::run(std::int64_t cell, const CellResults& all,
                                            const methods::Context& context) const {
  const Part& part = part_of(cell);
  const CellResults others = waits(cell) ? of_part(part, all) : CellResults{};
  auto result = step_of(part).cells->run(cell - part.first_cell, others, context);
  if (result.ok() || result.error().code == ErrorCode::cancelled) return result;
  return placed(result.error(), "step", part.name, spec.file);
}

Result<BoundExperiment> bind_experiment(Experiment experiment, const Ranks& ranks, const methods::Context& context) {
  BoundExperiment bound;
  bound.spec = std::move(experiment);
  bound.load = bound.spec.model;
  bound.dropped = nlohmann::json::object();
  share_machine(bound.load, ranks);
  nlohmann::json all = {bound.spec.text, headscope_version(), libtorch_version()};
  for (std::size_t m = 0; m < bound.spec.models.size(); ++m) {
    HS_TRY(bound.open(m, context));
    note_prompts(bound, ranks.rank() == 0, context);
    add_parts(bound);
    HS_TRY(add_to_fingerprint(bound, all));
  }
  bound.fingerprint = fingerprint_of(all);
  return bound;
}

} // namespace headscope::experiments
