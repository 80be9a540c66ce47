// SPDX-License-Identifier: GPL-3.0-or-later
// The attention plan that jobs run under: which mechanism computes which heads (docs/attention-lab.md). On the engine's
// thread; an empty text is full attention.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/gui/engine/values.h"
#include "core/base/result.h"

namespace headscope::gui {

struct EngineState;

// An option of a mechanism as a field: its default and its choices as text.
struct MechanismField {
  std::string name, standard, help;
  std::vector<std::string> choices; // empty: a text or a number
  bool is_file = false;             // it names one
};

struct MechanismCard {
  std::string id, title, what, cost, reference, equals_full;
  std::string training; // what the original needs; empty: nothing
  bool drop_in = true;  // false: a trained model does not survive it
  std::vector<MechanismField> options;
  std::string plugin; // the file that it is from; empty: Headscope's own
};

// Headscope's own, all but full attention, drop-ins first.
std::vector<MechanismCard> list_mechanisms();
// Those of plugins, which are looked for when they are first asked for: on another thread than the window's.
std::vector<MechanismCard> list_plugin_mechanisms();

struct PlanInfo {
  std::string text;
  std::vector<HeadId> heads; // that a mechanism computes
};

// Reads a plan for the open model. Returns invalid_argument where it does not fit.
Result<PlanInfo> read_plan(const EngineState& state, const std::string& text);

// Puts the state under a plan until what is returned goes, and then back under the one before. A plan that does not fit
// the open model is an error of open_engine(): nothing is answered under another one. What is kept of clean runs is
// kept by plan.
std::shared_ptr<void> under_plan(EngineState& state, const std::string& plan);

} // namespace headscope::gui
