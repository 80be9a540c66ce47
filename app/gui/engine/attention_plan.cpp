// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine/attention_plan.h"

#include <algorithm>

#include "app/gui/engine/engine_state.h"
#include "app/runs/known_mechanisms.h"
#include "core/mechanisms/mechanism.h"
#include "core/mechanisms/plan.h"

namespace headscope::gui {
namespace {

MechanismField field_of(const mechanisms::MechanismOption& option) {
  MechanismField field{option.name, mechanisms::default_text(option), option.help, {}, option.is_file};
  for (const char* choice : option.choices)
    field.choices.emplace_back(choice);
  return field;
}

std::vector<MechanismCard> cards_of(const mechanisms::MechanismList& list) {
  std::vector<MechanismCard> cards;
  for (const mechanisms::SharedDefinition& each : list.all()) {
    const mechanisms::MechanismInfo& info = each->info;
    if (std::string_view(info.id) == "full") continue;
    MechanismCard card{info.id,          info.title,    info.what,    info.cost, info.reference,
                       info.equals_full, info.training, info.drop_in, {},        each->module};
    for (const auto& option : info.options)
      card.options.push_back(field_of(option));
    cards.push_back(std::move(card));
  }
  return cards;
}

Result<std::shared_ptr<const mechanisms::AttentionPlan>> parse(const std::string& text, const ModelConfig& config) {
  return mechanisms::AttentionPlan::parse(text, config, mechanisms_for(text));
}

// Each plan finds the clean runs of its own; beside those of full attention only the last plan's are kept.
void change_runs(EngineState& state, const std::string& to) {
  KeptRuns& before = state.other_runs[state.plan];
  before = {std::move(state.clean), std::move(state.long_run)};
  KeptRuns own;
  if (const auto found = state.other_runs.find(to); found != state.other_runs.end()) own = std::move(found->second);
  std::erase_if(state.other_runs, [&](const auto& runs) { return !runs.first.empty() && runs.first != state.plan; });
  state.clean = std::move(own.clean);
  state.long_run = std::move(own.long_run);
}

int first_layer(const mechanisms::AttentionPlan& plan, std::int64_t n_layers) {
  int layer = 0;
  while (layer < n_layers && plan.parts(layer).empty())
    ++layer;
  return layer;
}

// Makes the engine of the plan that is entered.
void take_plan(EngineState& state) {
  state.plan_error.reset();
  state.engine = state.full;
  if (state.plan.empty() || !state.full) return;
  PlannedEngine& made = state.planned;
  if (!made.engine || made.plan != state.plan || made.of != state.full) {
    made = {};
    auto plan = parse(state.plan, state.full->config());
    if (!plan.ok()) {
      state.plan_error = make_error(plan.error().code, plan.error().message, plan.error().file, "attention");
      state.engine.reset();
      return;
    }
    made.plan = state.plan;
    made.of = state.full;
    made.first_layer = first_layer(**plan, state.full->config().n_layers);
    const std::shared_ptr<const Model> model(state.full, &state.full->model()); // lives as long as that engine
    made.engine = std::make_shared<const Engine>(model, std::move(*plan));
  }
  state.engine = made.engine;
}

void enter(EngineState& state, const std::string& plan) {
  if (!state.full && state.plan.empty()) state.full = state.engine;
  if (plan != state.plan) change_runs(state, plan);
  state.plan = plan;
  take_plan(state);
}

struct Scope {
  EngineState& state;
  std::string before;
  ~Scope() { enter(state, before); }
};

} // namespace

std::vector<MechanismCard> list_mechanisms() {
  std::vector<MechanismCard> cards = cards_of(mechanisms::MechanismList::built_in());
  // What a trained model survives comes first.
  std::stable_partition(cards.begin(), cards.end(), [](const MechanismCard& card) { return card.drop_in; });
  return cards;
}

std::vector<MechanismCard> list_plugin_mechanisms() {
  std::vector<MechanismCard> cards = cards_of(loaded_plugins().mechanisms());
  std::erase_if(cards, [](const MechanismCard& card) { return card.plugin.empty(); });
  return cards;
}

Result<PlanInfo> read_plan(const EngineState& state, const std::string& text) {
  if (!state.full) return open_engine(state).error();
  PlanInfo info{text, {}};
  if (text.empty()) return info;
  const ModelConfig& config = state.full->config();
  HS_ASSIGN(const auto plan, parse(text, config));
  for (int layer = 0; layer < config.n_layers; ++layer)
    for (const mechanisms::PlanPart& part : plan->parts(layer))
      for (const std::int64_t head : part.heads)
        info.heads.push_back({layer, static_cast<int>(head)});
  return info;
}

std::shared_ptr<void> under_plan(EngineState& state, const std::string& plan) {
  const std::shared_ptr<Scope> scope(new Scope{state, state.plan});
  enter(state, plan);
  return scope;
}

} // namespace headscope::gui
