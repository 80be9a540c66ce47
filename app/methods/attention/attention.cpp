// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/attention/attention.h"

#include "app/methods/attention/attention_run.h"
#include "app/methods/base/values.h"
#include "app/methods/inputs/model_options.h"

namespace headscope::methods {
namespace {

class Attention : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {
        .id = "attention",
        .summary = "Store the attention maps of a prompt",
        .example = "headscope attention --model smollm2 --prompt 'The cat sat on the mat. The cat sat' --heads "
                   "18.6,17.3 --out maps.h5",
        .output = Output::required};
    return info;
  }

  void inputs(OptionList& list) override { list_prompt_options(list, prompt_); }
  store::Attributes recorded_inputs() const override { return option_attributes(prompt_); }

  void options(OptionList& list) override {
    list.add("heads", heads_, "all, heads (18.6,17.3 or 18.0-3), layers (18 or 10-12)");
    list.add_choice("precision", precision_, {{"float16", ""}, {"float32", ""}}, "Weights in the file");
  }

  Status check_inputs() override {
    HS_ASSIGN(text_, one_prompt(prompt_));
    return {};
  }

  Result<Report> run(const Work& work) override {
    const Model& model = work.engine.model();
    AttentionRequest task;
    task.prompt_id = "prompt-0";
    HS_ASSIGN(task.ids, encode_prompt(work.engine, text_, prompt_));
    HS_ASSIGN(task.heads, parse_heads(heads_, model.config.n_layers, model.config.n_heads));
    task.dtype = precision_ == "float32" ? store::DType::float32 : store::DType::float16;
    HS_ASSIGN(const StoredMaps stored, run_attention(work.engine, task, work.context, *work.writer));
    nlohmann::json names = nlohmann::json::array();
    for (const HeadId& head : stored.heads)
      names.push_back(head_name(head));
    const nlohmann::json json = {{"file", work.file},
                                 {"prompt", task.prompt_id},
                                 {"tokens", task.ids.size()},
                                 {"heads", names},
                                 {"complete", stored.complete}};
    return Report{json,
                  printed("%zu maps of %zu x %zu in %s\n", stored.heads.size(), task.ids.size(), task.ids.size(),
                          work.file.c_str()),
                  stored.complete};
  }

private:
  PromptOptions prompt_;
  std::string text_; // of the prompt
  std::string heads_ = "all", precision_ = "float16";
};

} // namespace

std::unique_ptr<Method> make_attention() { return std::make_unique<Attention>(); }

} // namespace headscope::methods
