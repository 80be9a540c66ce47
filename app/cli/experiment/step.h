// SPDX-License-Identifier: GPL-3.0-or-later
// One [[step]] of an experiment: a method on a task, cut into cells. A cell is done or not; what it gives depends on
// the experiment only, never on which process does it, in which order or after how many interruptions.
#pragma once

#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "app/cli/command.h"
#include "app/cli/experiment/toml_table.h"
#include "core/batch/journal.h"
#include "core/engine/engine.h"
#include "core/store/result_file.h"
#include "core/tasks/task.h"

namespace headscope::cli {

// What a step needs of its task; null where the step has none.
struct StepInput {
  const Engine* engine = nullptr;
  const TaskSet* task = nullptr;
  std::string label; // of the task in the experiment; prompts are LABEL-0, LABEL-0-corrupt, ...
};

// For --dry-run: forward passes, and tokens through the whole model that they amount to (a pass from the middle layer
// on counts half, a backward pass twice).
struct StepCost {
  double forwards = 0, tokens = 0;
  double most_tokens = 0; // in one run
};

class Step {
public:
  virtual ~Step() = default;

  std::string name; // of its group in the result file
  std::string method, task;

  virtual bool needs_task() const { return true; }
  // Checks the options against model and task, and counts the cells.
  virtual Status bind(const StepInput& input) = 0;
  virtual std::int64_t cells() const = 0;
  // Whether a cell takes the results of all others, so that it comes last.
  virtual bool waits(std::int64_t) const { return false; }
  virtual StepCost cost() const = 0;

  // `others`: the step's finished cells, complete where the cell waits for them. cancelled where interrupted.
  virtual Result<nlohmann::json> run(std::int64_t cell, const CellResults& others, const Console& console) const = 0;
  // Cells that are missing are stored as not measured.
  virtual Status store(store::ResultWriter& writer, const CellResults& done) const = 0;
};

// Reads the options that its method has; the name, method and task too.
Result<std::unique_ptr<Step>> read_step(TomlTable& table);

// One a method.
Result<std::unique_ptr<Step>> read_ablate_step(TomlTable& table);
Result<std::unique_ptr<Step>> read_adjust_step(TomlTable& table);
Result<std::unique_ptr<Step>> read_patch_step(TomlTable& table);
Result<std::unique_ptr<Step>> read_attribute_step(TomlTable& table);
Result<std::unique_ptr<Step>> read_paths_step(TomlTable& table);
Result<std::unique_ptr<Step>> read_circuit_step(TomlTable& table);
Result<std::unique_ptr<Step>> read_detect_step(TomlTable& table);

// The value of an option that has a parser; its error is at the key.
template <typename T, typename Parse> void read_parsed(TomlTable& table, const char* key, T& value, Parse parse) {
  std::string text;
  table.read(key, text);
  if (text.empty()) return;
  auto parsed = parse(text);
  if (parsed.ok())
    value = std::move(*parsed);
  else
    table.fail(table.error_at(key, parsed.error().code, parsed.error().message));
}

void check_at_least(TomlTable& table, const char* key, std::int64_t value, std::int64_t least);

} // namespace headscope::cli
