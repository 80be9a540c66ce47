// SPDX-License-Identifier: GPL-3.0-or-later
// The method `context`: what memories around a model keep of a text that it reads in segments.
#include <algorithm>

#include "app/methods/base/method.h"
#include "app/methods/context/context_report.h"
#include "app/methods/inputs/text_input.h"
#include "app/runs/result_parts.h"

namespace headscope::methods {
namespace {

class ReadInSegments : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {.id = "context",
                                    .summary = "Compare context managers: memories around a model that reads a text in "
                                               "segments",
                                    .example = "headscope context --model smollm2 --text-file LICENSE --length 2048 "
                                               "--segment 256 --manager hmt:summary=mean --manager hcam:top=2",
                                    .since = "0.2",
                                    .model_may_be_missing = true};
    return info;
  }

  void inputs(OptionList& list) override {
    input_.list(list);
    list.find("text_file")->required = false; // --list needs none
  }
  store::Attributes recorded_inputs() const override { return input_.recorded(); }

  void options(OptionList& list) override {
    list.add("manager", task_.managers,
             "A context manager with its options, e.g. hmt:sensory=32 (alone, hcam, hmt, titans; "
             "docs/attention-lab.md); "
             "may be repeated")
        .from("0.2");
    list.add("segment", task_.segment, "Tokens of the text in each segment").in("token").from("0.2").at_least(8);
    list.add("length", length_, "First tokens of the text; 0: all").in("token").from("0.2").at_least(0);
    list.add("skip", task_.skip, "The first predictions, which are left out").in("token").from("0.2").at_least(0);
    needle_.list(list);
    list.add("list", list_, "List the context managers and their options")
        .from("0.2")
        .unrecorded()
        .only(Offered::command_line, "an experiment and a form run managers");
  }

  Status check_inputs() override { return list_ ? Status{} : input_.read(); }

  std::optional<Report> answer_alone() override {
    if (!list_) return std::nullopt;
    return list_of_managers();
  }

  Status check_options() override {
    if (list_) return {};
    if (task_.managers.empty()) return make_error(ErrorCode::invalid_argument, "is required", {}, "--manager");
    for (const std::string& spec : task_.managers)
      if (const auto parsed = contexts::parse_manager(spec); !parsed.ok())
        return make_error(parsed.error().code, parsed.error().to_string(), {}, "--manager");
    return needle_.check();
  }

  Result<Report> run(const Work& work) override {
    const Model& model = work.engine.model();
    HS_ASSIGN(task_.ids, input_.encode(model, input_.text));
    const std::int64_t all = std::ssize(task_.ids), wanted = length_ == 0 ? all : length_;
    if (wanted > all)
      return make_error(ErrorCode::invalid_argument, "the text has only " + std::to_string(all) + " tokens",
                        input_.file, "--length");
    task_.ids.resize(static_cast<std::size_t>(wanted));
    if (wanted < task_.skip + 8)
      return make_error(ErrorCode::invalid_argument, "has only " + std::to_string(wanted) + " tokens", input_.file,
                        "--text-file");
    HS_ASSIGN(task_.needle, needle_.encode(*model.tokenizer, std::min(wanted, task_.segment)));
    HS_ASSIGN(const ManagedTexts texts, run_managers(work.engine, task_, work.context));
    if (work.writer) {
      HS_TRY(work.writer->add_prompt(prompt_of(model, "text", task_.ids)));
      HS_TRY(store_contexts(*work.writer, texts));
    }
    return context_report(texts);
  }

private:
  TextInput input_;
  NeedleInput needle_;
  ContextTask task_;
  std::int64_t length_ = 0;
  bool list_ = false;
};

} // namespace

std::unique_ptr<Method> make_context() { return std::make_unique<ReadInSegments>(); }

} // namespace headscope::methods
