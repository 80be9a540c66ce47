// SPDX-License-Identifier: GPL-3.0-or-later
// The method `compare`: what other ways to attend cost a model on a text.
#include <algorithm>

#include "app/methods/base/method.h"
#include "app/methods/compare/compare_report.h"
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

  void inputs(OptionList& list) override {
    input_.list_file(list, "The text");
    input_.list_no_bos(list);
  }
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
    list.add("needle", needle_, "A fact that is put into the text, e.g. ' The pass key is 71432.'").from("0.2").prose();
    list.add("question", question_, "What is asked at the end of the text, e.g. ' The pass key is'")
        .from("0.2")
        .prose();
    list.add("answer", answer_, "The answer, of which the loss is measured, e.g. ' 71432'").from("0.2").prose();
    list.add("depths", depths_, "Shares of the text before the needle").from("0.2").by_comma();
    list.add("no_heads", no_heads_, "Leaves out what is measured of every head, which takes another run").from("0.2");
  }

  Status check_inputs() override { return input_.read(); }

  Status check_options() override {
    if (specs_.empty()) return make_error(ErrorCode::invalid_argument, "is required", {}, "--attention");
    for (const std::string& spec : specs_)
      if (const auto parsed = mechanisms::parse_specs(spec, mechanisms_for(spec)); !parsed.ok())
        return make_error(parsed.error().code, parsed.error().message, parsed.error().file, "--attention");
    if (needle_.empty() != answer_.empty() || question_.empty() != answer_.empty())
      return make_error(ErrorCode::invalid_argument, "belong together; one is missing", {},
                        "--needle, --question and --answer");
    for (const double depth : depths_)
      if (!(depth >= 0.0 && depth <= 1.0))
        return make_error(ErrorCode::invalid_argument, "must be shares of 0 to 1", {}, "--depths");
    for (const std::int64_t length : lengths_)
      if (length < skip_ + 2)
        return make_error(ErrorCode::invalid_argument,
                          std::to_string(length) + " tokens leave no prediction after " + std::to_string(skip_), {},
                          "--lengths");
    return {};
  }

  Result<Report> run(const Work& work) override {
    CompareTask task;
    HS_TRY(read_text(work.engine.model(), task));
    HS_TRY(read_needle(*work.engine.model().tokenizer, task));
    task.attention = specs_;
    task.skip = skip_;
    task.heads = !no_heads_;
    HS_ASSIGN(const Comparison comparison, run_comparison(work.engine, task, work.context));
    if (work.writer) {
      HS_TRY(work.writer->add_prompt(prompt_of(work.engine.model(), "text", task.ids)));
      HS_TRY(store_comparison(*work.writer, comparison));
    }
    return comparison_report(comparison);
  }

private:
  Status read_needle(const Tokenizer& tokenizer, CompareTask& task) const {
    if (answer_.empty()) return {};
    NeedleTask& needle = task.needle;
    HS_ASSIGN(needle.needle, tokenizer.encode(needle_, {false, false}));
    HS_ASSIGN(needle.question, tokenizer.encode(question_, {false, false}));
    HS_ASSIGN(needle.answer, tokenizer.encode(answer_, {false, false}));
    needle.depths = depths_;
    const std::int64_t added = std::ssize(needle.needle) + std::ssize(needle.question) + std::ssize(needle.answer);
    if (needle.answer.empty() || task.lengths.front() <= added)
      return make_error(ErrorCode::invalid_argument,
                        "with question and answer has " + std::to_string(added) + " tokens, and the shortest text " +
                            std::to_string(task.lengths.front()),
                        {}, "--needle");
    return {};
  }

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
  std::string needle_, question_, answer_;
  std::vector<double> depths_ = {0.1, 0.5, 0.9};
  std::int64_t skip_ = 0;
};

} // namespace

std::unique_ptr<Method> make_compare() { return std::make_unique<Compare>(); }

} // namespace headscope::methods
