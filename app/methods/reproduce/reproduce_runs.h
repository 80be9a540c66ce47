// SPDX-License-Identifier: GPL-3.0-or-later
// Published experiments, run on any model, with the published numbers beside the measured ones.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "app/methods/base/context.h"
#include "core/engine/engine.h"

namespace headscope::methods {

struct ReproducedRow {
  std::string what, published; // published: empty where the paper has no such number
  nlohmann::json measured;     // number or text; null: could not be measured
  std::string note;            // why not, or how it differs
};

struct PublishedModel {
  const char* name = nullptr;
  std::int64_t n_layers = 0, n_heads = 0, d_model = 0;
};

struct Reproduction {
  std::string paper, setup;              // what is run
  std::vector<PublishedModel> published; // the models that the numbers are of
  std::vector<ReproducedRow> rows;
  bool complete = true;
};

struct ReproduceOptions {
  bool full = false;                   // the published number of prompts
  std::string haystack;                // of retrieval heads and sinks
  std::optional<std::int64_t> prompts; // pairs of ioi and merullo2024; unset: 24, with `full` 100 and 1000
  std::vector<std::string> also;       // further models, for what is said to be universal
};

using Experiment = Result<Reproduction> (*)(const Engine& engine, const ReproduceOptions& options,
                                            const Context& context);
struct NamedExperiment {
  const char *name, *paper;
  Experiment run;
};
// The experiments: wu2024, gould2023, ioi, merullo2024, gu2025.
const std::vector<NamedExperiment>& experiments();

// Whether the model has the shape of one of these published models.
bool is_published(const ModelConfig& config, const std::vector<PublishedModel>& models);

} // namespace headscope::methods
