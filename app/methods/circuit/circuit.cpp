// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/circuit/circuit.h"

#include "app/methods/circuit/circuit_report.h"
#include "app/methods/circuit/circuit_store.h"
#include "app/methods/inputs/prompt_set.h"
#include "app/methods/inputs/tokens_per_run.h"
#include "core/store/part_name.h"

namespace headscope::methods {
namespace {

PairNeeds needs_of(const CircuitOptions& options) {
  return {options.ablation == EdgeAblation::patch, needs_answers(options.metric), needs_wrong(options.metric)};
}

void warn_of(const CircuitOutcome& outcome, const CircuitOptions& options, std::size_t pairs, const Context& context) {
  if (!outcome.empty_note.empty()) context.warn(outcome.empty_note);
  if (const std::string note = outcome.vanishing_note(); !note.empty()) context.warn(note);
  const bool means = options.ablation == EdgeAblation::mean || options.ablation == EdgeAblation::mean_by_position;
  if (means && pairs == 1)
    context.warn("the means that patched edges carry are over this one prompt itself; give several pairs");
}

class Circuit : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {
        .id = "circuit",
        .summary = "Find the circuit of a task: scores of edges, the best of them, how well they do",
        .example = "headscope circuit --model smollm2 --ioi 8 --top-n 500 --out circuit.h5",
        .model_may_be_missing = true}; // compare and export need none
    return info;
  }

  void inputs(OptionList& list) override { list_pair_set_options(list, options_.pairs); }
  const TaskOptions* task() const override { return &options_.pairs.task; }
  store::Attributes recorded_inputs() const override { return option_attributes(options_.pairs); }

  void options(OptionList& list) override {
    CircuitOptions& circuit = options_.circuit;
    list.add_choice("method", circuit.method, "How edges are scored, or acdc, which tries them").key("scores");
    list.add("steps", circuit.steps, "Of the integrated gradients").at_least(1);
    list.add_choice("ablation", circuit.ablation, "What a patched edge carries");
    list.add_choice("metric", circuit.metric, "What is measured at the last token");
    list.add_choice("build", circuit.build, "Which edges are chosen");
    list.add("top_n", circuit.top_n, "Edges of the circuit, before pruning").in("edge").at_least(0);
    list.add("threshold", circuit.thresholds, "Least importance of an edge; of acdc one or several: 0.01,0.1")
        .by_comma();
    list.add("signed", circuit.signed_scores, "Choose edges by signed importance, not by its size");
    list.add("curve", circuit.curve, "Also measure circuits of growing size: CPR and CMD");
    list.add("scores", circuit.scores_file, "Take the scores of this result file instead of measuring")
        .reads_file()
        .only(Offered::command_line, "the cells of an experiment are the measuring of scores");
    list.add("name", circuit.name, "Of the graph in the file")
        .only(Offered::command_line, "a step has a name, which is the graph's");
    list_graph_tokens_per_run(list, circuit.tokens_per_run);
  }

  Status check_inputs() override {
    return check_pair_set(options_.pairs, options_.circuit.ablation == EdgeAblation::patch);
  }

  Status check_options() override {
    HS_TRY(check_circuit(options_.circuit));
    return store::check_part_name(options_.circuit.name, {}, "--name");
  }

  std::vector<std::int64_t> seeds() const override { return {static_cast<std::int64_t>(options_.pairs.task.seed)}; }

  Result<Report> run(const Work& work) override {
    const CircuitOptions& circuit = options_.circuit;
    const Model& model = work.engine.model();
    HS_ASSIGN(const PairSet pairs, make_pair_set(work.engine, options_.pairs, needs_of(circuit)));
    note_dropped(pairs.dropped, work.context);
    CircuitTask task;
    task.pairs = pairs.pairs;
    task.metric = circuit.metric;
    task.ablation = circuit.ablation;
    task.tokens_per_run = circuit.tokens_per_run;
    HS_TRY(warn_unspaced(work.engine, pairs.clean_rows(), pairs.unspaced, work.context));
    HS_ASSIGN(const CircuitOutcome outcome, find_circuit(work.engine, task, pairs.task, circuit, work.context));
    work.context.finish_progress();
    warn_of(outcome, circuit, task.pairs.size(), work.context);
    if (work.writer) {
      HS_TRY(store_pairs(*work.writer, model, pairs));
      HS_TRY(store_circuit(*work.writer, outcome));
    }
    return Report{to_json(outcome), text_of(outcome), outcome.complete};
  }

  std::unique_ptr<Cells> cells() override { return make_circuit_cells(options_); }

private:
  CircuitMethodOptions options_;
};

} // namespace

std::unique_ptr<Method> make_circuit() { return std::make_unique<Circuit>(); }

} // namespace headscope::methods
