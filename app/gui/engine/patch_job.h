// SPDX-License-Identifier: GPL-3.0-or-later
// Activation patching of one pair of prompts, and its estimate. Jobs of the engine's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/gui/engine/values.h"
#include "core/base/result.h"
#include "core/base/run_control.h"
#include "core/vocabulary/metric.h"
#include "core/vocabulary/patching.h"

namespace headscope {
struct PatchPair; // core/prompts/prompt.h
}

namespace headscope::gui {

struct EngineState;

struct PatchPrompts {
  std::string clean, corrupt;
  std::string answer, wrong; // next tokens as text, e.g. " Mary"; empty: the likeliest of the clean and the corrupt run
  bool add_special = true;
  friend bool operator==(const PatchPrompts&, const PatchPrompts&) = default;
};

struct PatchPairInfo {
  std::vector<TokenInfo> clean, corrupt;
  // Unset when the lengths differ, since then nothing can be patched.
  std::optional<TokenInfo> answer, wrong;
  std::string note; // of an answer that the model would write with a space before it; else empty
  std::shared_ptr<const PatchPrompts> prompts; // as they were typed

  bool aligned() const { return clean.size() == corrupt.size(); }
  bool differs() const;
};

// Returns invalid_argument for an empty prompt, mismatch (field "answer" or "wrong") for a text that is not one token.
Result<PatchPairInfo> read_pair(EngineState& state, const PatchPrompts& prompts, const RunControl& control);

// Converts a pair for core; `pair` must be aligned.
PatchPair patch_pair(const PatchPairInfo& pair);

struct PatchSettings {
  // Names rather than values, since a result file may hold others.
  std::string site = "resid_pre", axes = name_of(PatchAxes::layer_position), metric = name_of(MetricKind::logit_diff);
  bool noising = false;
  bool estimate = false;            // from one gradient (attribution patching), with some cells patched to compare
  std::optional<int> position = {}; // of a layer x head map: each head at this position alone
  std::optional<int> layer = {};    // only this layer
  friend bool operator==(const PatchSettings&, const PatchSettings&) = default;
};

// A cell of an estimate that was patched to compare.
struct CheckedPatch {
  int layer = 0, column = 0;
  double estimated = 0.0, exact = 0.0; // restored
  bool agrees = false;
};

// A layer x position or layer x head map; heads are K/V heads at k and v.
struct PatchMap {
  PatchSettings settings;
  std::vector<TokenInfo> clean, corrupt;
  int n_layers = 0, n_columns = 0;
  std::vector<float> restored; // [layer, column]; 0: as the corrupt run, 1: as the clean one; NaN: not measured
  double clean_value = 0.0, corrupt_value = 0.0; // the metric
  bool complete = false;
  std::string note;                  // the pair's
  std::vector<CheckedPatch> checked; // of an estimate
  std::string command;               // that gives the same numbers; empty: none is known

  bool by_head() const { return settings.axes == name_of(PatchAxes::layer_head); }
};

// `partial` gets the map after each layer, at most about ten times a second; of an estimate there are no parts. A
// cancelled sweep gives what it has.
Result<PatchMap> run_patching(const EngineState& state, const PatchPairInfo& pair, const PatchSettings& settings,
                              const RunControl& control, const std::function<void(PatchMap)>& partial);

} // namespace headscope::gui
