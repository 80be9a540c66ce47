// SPDX-License-Identifier: GPL-3.0-or-later
// The method `compare`: what other ways to attend cost a model on a text.
#include <algorithm>

#include "app/methods/base/method.h"
#include "app/methods/compare/compare_estimate.h"
#include "app/methods/compare/compare_report.h"
#include "app/methods/inputs/needle_input.h"
#include "app/methods/inputs/text_input.h"
#include "app/runs/known_mechanisms.h"
#include "app/runs/result_parts.h"
#include "core/mechanisms/spec.h"

namespace headscope::methods {
namespace {

class Compare : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {
        .id = "compare",
        .summary = "Compare mechanisms of attention with full attention on a text",
        .example = "headscope compare --model smollm2 --text-file LICENSE --lengths 512 --attention "
                   "streaming:sinks=4,window=124 --attention hip:k=128,window=64@layers=2-29",
        .since = "0.2"};
    return info;
  }

  void inputs(OptionList& list) override { input_.list(list); }
  store::Attributes recorded_inputs() const override {
    store::Attributes recorded = input_.recorded();
    for (store::Attribute& each : plan_attributes(mechanisms::joined_specs(specs_)))
      recorded.push_back(std::move(each));
    return recorded;
  }

  void options(OptionList& list) override {
    list.add("attention", specs_,
             "A mechanism, its options and where it applies, e.g. window:window=256@layers=4-29 or "
             "topk@heads=18.6,17.3; "
             "may be repeated (docs/attention-lab.md)")
        .from("0.2")
        .must();
    list.add("skip", skip_, "The first predictions, which are left out").in("token").from("0.2").at_least(0);
    list.add("lengths", lengths_,
             "Measures the first tokens of the text at each of these lengths; default: the whole text")
        .in("token")
        .from("0.2")
        .by_comma();
    needle_.list(list);
    list.add("detectors", detect_.detectors,
             "Detectors, comma-separated, that are also run under each mechanism: which heads that they name survive "
             "(headscope detect --list)")
        .from("0.2")
        .by_comma();
    list.add("set", detect_.set, "An option of a detector: NAME.OPTION=VALUE; may be repeated").from("0.2");
    list.add("no_heads", no_heads_, "Leaves out what is measured of every head, which takes another run").from("0.2");
    list.add("dry_run", dry_run_, "Only say what it would cost: runs, time and memory, by short runs of full attention")
        .from("0.2")
        .unrecorded()
        .only(Offered::command_line, "an experiment has its own, and the window its forms' estimates");
  }

  Status check_inputs() override { return input_.read(); }

  Status check_options() override {
    if (specs_.empty()) return make_error(ErrorCode::invalid_argument, "is required", {}, "--attention");
    for (const std::string& spec : specs_)
      if (const auto parsed = mechanisms::parse_specs(spec, mechanisms_for(spec)); !parsed.ok())
        return make_error(parsed.error().code, parsed.error().message, parsed.error().file, "--attention");
    HS_TRY(needle_.check());
    if (detect_.detectors.empty() && !detect_.set.empty())
      return make_error(ErrorCode::invalid_argument, "sets an option of a detector, and --detectors names none", {},
                        "--set");
    if (!detect_.detectors.empty()) {
      HS_ASSIGN(task_detectors_, plan_detectors(detect_));
    }
    for (const std::int64_t length : lengths_)
      if (length < skip_ + 2)
        return make_error(ErrorCode::invalid_argument,
                          std::to_string(length) + " tokens leave no prediction after " + std::to_string(skip_), {},
                          "--lengths");
    return {};
  }

  void place_files(const std::function<std::string(const std::string&)>& where) override {
    place_option_files(detect_, where);
  }
  std::vector<std::int64_t> seeds() const override { return seeds_of(task_detectors_); }

  Result<Report> run(const Work& work) override {
    CompareTask task;
    HS_TRY(read_text(work.engine.model(), task));
    HS_ASSIGN(task.needle, needle_.encode(*work.engine.model().tokenizer, task.lengths.front()));
    task.attention = specs_;
    task.skip = skip_;
    task.heads = !no_heads_;
    task.detectors = task_detectors_;
    if (dry_run_) return estimate_comparison(work.engine, task, work.context);
    HS_ASSIGN(const Comparison comparison, run_comparison(work.engine, task, work.context));
    if (work.writer) {
      HS_TRY(work.writer->add_prompt(prompt_of(work.engine.model(), "text", task.ids)));
      HS_TRY(store_comparison(*work.writer, comparison));
    }
    return comparison_report(comparison);
  }

private:
  // Fills in the tokens, cut to the longest length, and the lengths.
  Status read_text(const Model& model, CompareTask& task) const {
    HS_ASSIGN(task.ids, input_.encode(model, input_.text));
    const std::int64_t tokens = std::ssize(task.ids);
    task.lengths = lengths_.empty() ? std::vector{tokens} : lengths_;
    std::sort(task.lengths.begin(), task.lengths.end());
    task.lengths.erase(std::unique(task.lengths.begin(), task.lengths.end()), task.lengths.end());
    if (task.lengths.back() > tokens)
      return make_error(ErrorCode::invalid_argument, "the text has only " + std::to_string(tokens) + " tokens",
                        input_.file, "--lengths");
    const std::int64_t n_ctx = model.config.n_ctx;
    if (task.lengths.back() > n_ctx && model.config.positions == PositionKind::learned)
      return make_error(ErrorCode::mismatch,
                        "has " + std::to_string(task.lengths.back()) + " tokens, and the model has learned " +
                            std::to_string(n_ctx) + " positions; --lengths takes the first ones",
                        input_.file, "--text-file");
    if (task.lengths.back() > n_ctx && lengths_.empty())
      return make_error(ErrorCode::mismatch,
                        "has " + std::to_string(task.lengths.back()) + " tokens, the model's context " +
                            std::to_string(n_ctx) + "; --lengths takes the first ones, or names a length beyond it",
                        input_.file, "--text-file");
    if (task.lengths.front() < skip_ + 2)
      return make_error(ErrorCode::invalid_argument,
                        "the text's " + std::to_string(task.lengths.front()) + " tokens leave no prediction",
                        input_.file, "--skip");
    task.ids.resize(static_cast<std::size_t>(task.lengths.back()));
    return {};
  }

  TextInput input_;
  bool no_heads_ = false;
  std::vector<std::string> specs_;
  std::vector<std::int64_t> lengths_;
  NeedleInput needle_;
  DetectOptions detect_{.detectors = {}, .set = {}, .haystack = {}};
  std::vector<DetectorPlan> task_detectors_; // of these options, once they are checked
  bool dry_run_ = false;
  std::int64_t skip_ = 0;
};

} // namespace

std::unique_ptr<Method> make_compare() { return std::make_unique<Compare>(); }

} // namespace headscope::methods
