// SPDX-License-Identifier: GPL-3.0-or-later
// The state that the engine's thread owns. Only the .cpp files of this folder include it, since it uses Torch.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "app/gui/engine/cache_job.h"
#include "app/gui/engine/model_job.h"
#include "app/gui/engine/values.h"
#include "core/engine/engine.h"

namespace headscope::gui {

// The clean run of a longer prompt is not kept: its residuals would need as much memory as the model.
inline constexpr std::size_t longest_clean_run = 1024; // tokens

// A prompt's clean run, kept so that the next job on it starts where something changes.
struct CleanRun {
  std::vector<std::int64_t> tokens;
  std::vector<at::Tensor> resid_pre; // a layer: [1, pos, d_model]
  at::Tensor logits;                 // after the last token [d_vocab]
};

// The last run of a prompt that is too long for a clean run.
struct LongRun {
  std::vector<std::int64_t> tokens;
  int layer = 0;
  at::Tensor resid_pre; // of that layer: [1, pos, d_model]
};

struct LayerAttention;       // layer_attention.h
struct ReferenceActivations; // ablation_interventions.h

// What is kept of runs under one plan.
struct KeptRuns {
  std::optional<CleanRun> clean;
  std::optional<LongRun> long_run;
};

// The open model with a plan's attention.
struct PlannedEngine {
  std::string plan;
  std::shared_ptr<const Engine> of; // the engine of full attention
  std::shared_ptr<const Engine> engine;
  int first_layer = 0; // that the plan changes; layers before it attend fully
};

struct EngineState {
  std::shared_ptr<const Engine> engine;       // under the plan of the job that runs; null: no model is open
  std::shared_ptr<const Engine> full;         // with full attention
  std::string plan;                           // attention_plan.h; empty: full attention
  std::optional<Error> plan_error;            // it does not fit the model
  PlannedEngine planned;                      // the last one
  std::map<std::string, KeptRuns> other_runs; // by plan
  ModelRequest opened;                        // how it was loaded
  std::optional<CleanRun> clean;
  std::optional<LongRun> long_run;
  std::vector<std::shared_ptr<LayerAttention>> attention; // newest last
  std::size_t attention_bytes = standard_cache_bytes;     // that they may take
  std::shared_ptr<ReferenceActivations> reference;        // of the texts that ablation took last
};

// not_found when no model is open; what is wrong with the plan where it does not fit the model. Shared, since a job
// that stands still for a more urgent one goes on with its own model until it hears that it is cancelled.
Result<std::shared_ptr<const Engine>> open_engine(const EngineState& state);

// Returns the clean run of these tokens, from the state or made now.
Result<const CleanRun*> clean_run(EngineState& state, const std::vector<std::int64_t>& tokens,
                                  const CancelToken& cancel);

TokenInfo token_info(const Tokenizer& tokenizer, std::int64_t id);

} // namespace headscope::gui
