// SPDX-License-Identifier: GPL-3.0-or-later
// Runs a method cell by cell, as an experiment does, with a journal beside its result file: after a cancel or a kill
// the same call continues from what is left. Groups of the file are named as for a step that has the method's name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "app/methods/base/method.h"
#include "app/methods/base/output.h"

namespace headscope::methods {

struct ModelOptions;

// Whether the cells of a method do all that its options ask for. Returns unsupported where it has none, or where an
// option that experiments do not offer is not at its default.
Status check_cells(Method& method);
// Checks a resumable run before a model is loaded.
Status check_resumable(Method& method, const OutputOptions& output);

// What a journal and a run that would continue it must agree in: method, inputs, options and the model's SHA-256.
std::string resumable_text(Method& method, const std::string& model_sha256);

// Adds a task's prompts to the fingerprint of what is measured on them.
void add_to_fingerprint(nlohmann::json& all, const TaskSet& task);
// The contents of the files that the method's own options name: a journal must not go on after one has changed.
Status add_files_to_fingerprint(nlohmann::json& all, Method& method, const Cells& cells);

struct Unfinished {
  std::int64_t finished = 0, cells = 0;
  friend bool operator==(const Unfinished&, const Unfinished&) = default;
};
// Finds what a run of that text left beside this result file; nothing where there is no such journal.
std::optional<Unfinished> find_unfinished(const std::string& out, const std::string& text);

// Runs the cells that OUT.journal does not have, after check_resumable(). When cancelled, first stores what was done,
// and keeps the journal.
Status run_resumable(Method& method, const Engine& engine, const ModelOptions& model, const OutputOptions& output,
                     const Context& context, const Show& show);

} // namespace headscope::methods
