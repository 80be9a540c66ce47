// SPDX-License-Identifier: GPL-3.0-or-later
// A method: a question asked of a model and its prompts. Its folder in app/methods has its options and what it runs,
// stores and reports; faces (command line, experiments, window) know only this interface.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "app/methods/base/context.h"
#include "app/methods/base/option.h"
#include "core/batch/journal.h"

namespace headscope {
class Engine;
struct TaskSet;
namespace store {
class ResultWriter;
}
} // namespace headscope

namespace headscope::methods {

struct TaskOptions; // inputs/task_options.h

// Whether a method writes a result file.
enum class Output : std::uint8_t { none, optional, required };

struct MethodInfo {
  const char* id;      // the command, and `method` of an experiment's step
  const char* summary; // one line
  const char* example; // a command line that works
  const char* since = "0.1";
  bool needs_tokenizer = true;
  bool needs_model = true; // false: run_alone() is called; what it needs of a model is among its own options
  // The command line's parser does not require --model: there is an answer without it (answer_alone), or a subcommand
  // that needs none. run_method() still refuses to run without it.
  bool model_may_be_missing = false;
  Output output = Output::optional;
  const char* stored_as = nullptr; // name of its options in a result file; null: the id

  const char* group() const { return stored_as ? stored_as : id; }
};

// The answer for people (text) and for programs (JSON).
struct Report {
  nlohmann::json json;
  std::string text;
  bool complete = true;             // false: cancelled; what was done until then is reported and stored
  std::optional<Error> failed = {}; // a part that failed without costing the others, said after they are stored
  std::optional<Error> refused =
      {}; // a write to the result file failed: the measurements are shown, but no file is published
};

// Receives the report before the file is published; a face prints or shows it.
using Show = std::function<void(const Report&)>;

// What a run works with.
struct Work {
  const Engine& engine;
  store::ResultWriter* writer; // null: nothing is stored
  const Context& context;
  std::string file = {}; // the result file; empty: none
};

// A forward pass from the middle layer on counts half, a backward pass twice.
struct Cost {
  double forwards = 0, tokens = 0;
  double most_tokens = 0; // in one run
};

// The input of an experiment's step; null where it has no task.
struct CellInput {
  const Engine* engine = nullptr;
  const TaskSet* task = nullptr;
  std::string label; // of the task in the experiment; prompts are LABEL-0, LABEL-0-corrupt, ...
  std::string name;  // of the step: its group in the result file
  std::string model; // short name where an experiment has several models, for results that are not named by their step
};

// A method divided into cells, for experiments. A cell is finished or not; its result depends only on the experiment,
// never on which process runs it, in which order or after how many interruptions.
class Cells {
public:
  virtual ~Cells() = default;
  virtual bool needs_task() const { return true; }
  // Checks the options against model and task, and counts the cells.
  virtual Status bind(const CellInput& input) = 0;
  virtual std::int64_t count() const = 0;
  // The SHA-256 of files that its results depend on, besides model, task and options.
  virtual Result<std::vector<std::string>> file_hashes() const { return std::vector<std::string>{}; }
  // Whether a cell needs the results of all others, so that it comes last.
  virtual bool waits(std::int64_t) const { return false; }
  virtual Cost cost() const = 0;
  // Runs a cell. `others` are finished cells, all of them where the cell waits for them. Returns cancelled where
  // interrupted.
  virtual Result<nlohmann::json> run(std::int64_t cell, const CellResults& others, const Context& context) const = 0;
  // Stores the cells; missing ones are stored as not measured.
  virtual Status store(store::ResultWriter& writer, const CellResults& done) const = 0;
};

class Method {
public:
  virtual ~Method() = default;
  Method() = default;
  Method(const Method&) = delete; // option lists point into it
  Method& operator=(const Method&) = delete;

  virtual const MethodInfo& info() const = 0;
  // Lists its inputs (prompts, pairs, a task), bound to this object; experiments take them from [[task]].
  virtual void inputs(OptionList&) {}
  // The task among the inputs, which its cells are made from; null: there are no cells, or they need no task.
  virtual const TaskOptions* task() const { return nullptr; }
  // The attributes by which a result records the inputs.
  virtual store::Attributes recorded_inputs() const { return {}; }
  // Lists its own options.
  virtual void options(OptionList& list) = 0;
  // Replaces each file that an option names within its text with where(file).
  virtual void place_files(const std::function<std::string(const std::string&)>&) {}
  // Checks that can be made before a model is loaded: of its own options, and of its inputs.
  virtual Status check_options() { return {}; }
  virtual Status check_inputs() { return {}; }
  // The report given instead of running where the options ask for something that needs no model (detect --list).
  virtual std::optional<Report> answer_alone() { return std::nullopt; }
  // The seeds in the result's provenance.
  virtual std::vector<std::int64_t> seeds() const { return {}; }
  // Measures, stores and reports.
  virtual Result<Report> run(const Work& work);
  // The same for a method that needs no model or makes its own; it opens its own files.
  virtual Result<Report> run_alone(const Context& context);
  // The method as cells, for experiments; null where it cannot be divided. Keeps a reference to this object.
  virtual std::unique_ptr<Cells> cells() { return nullptr; }
};

} // namespace headscope::methods
