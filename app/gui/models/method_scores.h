// SPDX-License-Identifier: GPL-3.0-or-later
// What the open model was asked of every head, as scores of the head grid: their names, and what a value is.
#pragma once

#include <map>
#include <optional>
#include <string>

#include <QString>

#include "app/gui/engine/edge_effect_job.h"
#include "app/gui/engine/lens_job.h"
#include "app/gui/engine/patch_job.h"
#include "app/gui/engine/sweep_job.h"
#include "app/gui/workspace/score_board.h"

namespace headscope::gui {

// The same for the same model, method, prompts and options.
std::string sweep_id(const SweepRequest& request);

// `prompts`: what was swept, for the title: “When Mary…”, or a task's name.
HeadScores sweep_scores(const HeadSweep& sweep, const std::string& id, const QString& prompts);

HeadScores attribution_scores(const AttributionMap& map, const QString& prompt);
// The command line that comes to it; `prompt`: of prompt_values().
std::string attribution_command(const AttributionMap& map, std::map<std::string, std::string> prompt,
                                const CommandModel& model);

// The command line that patches the same; of heads at one position it gives those at all positions, this among them.
std::string patch_command(const PatchPrompts& prompts, const PatchPairInfo& pair, const PatchSettings& settings,
                          const CommandModel& model);
// The command line that patches one edge on the pair; empty where the pair has no answers.
std::string edge_command(const PatchPairInfo& pair, const EdgeRef& edge, bool shares_kv, const CommandModel& model);
// Unset where the map is not by query head.
std::optional<HeadScores> patch_scores(const PatchMap& map, const ModelInfo& model);

} // namespace headscope::gui
