// SPDX-License-Identifier: GPL-3.0-or-later
// The work of the method `mask`: ranks the heads, makes tasks by name, and stores a masking in a result file.
#pragma once

#include <string>
#include <vector>

#include "app/methods/base/context.h"
#include "app/methods/detect/detect_run.h"
#include "core/prompts/masking_tasks.h"
#include "core/store/result_file.h"
#include "core/sweeps/masking.h"

namespace headscope::methods {

struct HeadRanking {
  std::vector<HeadId> heads; // strongest first
  std::string from;          // "detector retrieval", "heads.h5, detector retrieval", "list"
};

// `heads` says where the ranking is from: "detector" runs it now (and stores its result), a result file has its scores,
// anything else is a list of heads.
Result<HeadRanking> rank_heads(const std::string& heads, const std::string& detector, const DetectOptions& options,
                               const Engine& engine, const Context& context, store::ResultWriter* writer);

// A named set of tasks; "cot" makes two, with and without a chain of thought.
struct MaskSet {
  std::string task;   // "needle", "cot_direct"
  std::string metric; // what a score is
  std::string units;
  Phase phase = Phase::decode; // what `--phase auto` means
  std::vector<MaskPrompt> tasks;
};
struct MaskTaskOptions {
  std::string names = "needle"; // comma-separated: needle, repeated, ordinal, ioi, text, cot
  std::int64_t count = 0;       // of generated tasks; 0: what suits the kind
  NeedleTaskOptions needle;
  std::string chat = "auto", haystack;
  std::uint64_t seed = 0;
};
Result<std::vector<MaskSet>> make_mask_sets(const Engine& engine, const MaskTaskOptions& options);

struct NamedMasking {
  std::string name; // of the group in the file: "needle_uniform_decode"
  std::string task, metric, units, method, phase, ranking;
  MaskingResult result;
};
Status store_masking(store::ResultWriter& writer, const NamedMasking& masking, const std::vector<MaskPrompt>& tasks);
nlohmann::json to_json(const NamedMasking& masking);
std::string masking_table(const NamedMasking& masking);

} // namespace headscope::methods
