// SPDX-License-Identifier: GPL-3.0-or-later
// A method run cell by cell, as an experiment runs it, with a journal beside its result file: what a cancel or a kill
// leaves is gone on from by the same call. Groups of the file are those of a step that has the method's name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "app/methods/base/method.h"
#include "app/methods/base/output.h"

namespace headscope::methods {

struct ModelOptions;

// Whether the cells of a method do all that its options ask for. Returns unsupported where it has none, or where an
// option is not at its default that experiments do not offer.
Status check_cells(Method& method);
// What can be refused of a resumable run before a model is loaded.
Status check_resumable(Method& method, const OutputOptions& output);

// What a journal must agree in with a run that would go on from it: method, inputs, options and the model's SHA-256.
std::string resumable_text(Method& method, const std::string& model_sha256);

// What a task's prompts are, for the fingerprint of what is measured on them.
void add_to_fingerprint(nlohmann::json& all, const TaskSet& task);

struct Unfinished {
  std::int64_t finished = 0, cells = 0;
  friend bool operator==(const Unfinished&, const Unfinished&) = default;
};
// What is left beside this result file of a run of that text; nothing where there is no such journal.
std::optional<Unfinished> find_unfinished(const std::string& out, const std::string& text);

// Runs the cells that OUT.journal does not have, after check_resumable(). cancelled after what was done is stored; the
// journal then stays.
Status run_resumable(Method& method, const Engine& engine, const ModelOptions& model, const OutputOptions& output,
                     const Context& context, const Show& show);

} // namespace headscope::methods
