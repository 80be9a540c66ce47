// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/attribute/attribute.h"

#include <algorithm>

#include "app/methods/attribute/attribute_store.h"
#include "app/methods/base/values.h"
#include "app/methods/inputs/tokens_per_run.h"
#include "core/sweeps/sweep.h"

namespace headscope::methods {
namespace {

nlohmann::json to_json(const DirectLogitAttribution& found) {
  const auto layers = static_cast<std::size_t>(found.n_layers), heads = static_cast<std::size_t>(found.n_heads);
  return {{"total", number(mean_over(found.total))},
          {"input", number(mean_over(found.input))},
          {"heads", matrix(found.mean_heads(), layers, heads)},
          {"mlps", matrix(found.mean_mlps(), 1, layers)[0]},
          {"attn_bias", matrix(mean_over_first_axis(found.attn_bias, found.n_prompts, found.n_layers), 1, layers)[0]},
          {"constant", number(mean_over(found.constant))}};
}

std::string strongest(const DirectLogitAttribution& found) {
  std::vector<std::string> parts = {"input", "constant"};
  std::vector<double> logits = {mean_over(found.input), mean_over(found.constant)};
  const std::vector<double> heads = found.mean_heads(), mlps = found.mean_mlps();
  for (std::int64_t i = 0; i < std::ssize(heads); ++i)
    parts.push_back(head_name({static_cast<int>(i / found.n_heads), i % found.n_heads}));
  for (std::size_t i = 0; i < mlps.size(); ++i)
    parts.push_back(std::string("m").append(std::to_string(i)));
  logits.insert(logits.end(), heads.begin(), heads.end());
  logits.insert(logits.end(), mlps.begin(), mlps.end());
  const std::vector<std::size_t> order = strongest_first(logits, Rank::by_size);
  std::vector<std::vector<std::string>> lines = {{"part", "logits"}};
  for (std::size_t i = 0; i < std::min<std::size_t>(20, order.size()); ++i)
    lines.push_back({parts[order[i]], value_text(logits[order[i]])});
  return printed("answer minus wrong answer: %s\n%s", value_text(mean_over(found.total)).c_str(),
                 aligned(lines).c_str());
}

class Attribute : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {
        .id = "attribute",
        .summary = "What each head and MLP adds to the answer's logit (direct logit attribution)",
        .example = "headscope attribute --model smollm2 --prompt 'The capital of France is' --answer ' Paris' --wrong "
                   "' Rome'"};
    return info;
  }

  void inputs(OptionList& list) override { list_prompt_set_options(list, options_.prompts); }
  const TaskOptions* task() const override { return &options_.prompts.task; }
  store::Attributes recorded_inputs() const override { return option_attributes(options_.prompts); }

  void options(OptionList& list) override { list_tokens_per_run(list, options_.tokens_per_run); }

  Status check_inputs() override { return check_prompt_set(options_.prompts); }

  std::vector<std::int64_t> seeds() const override { return {static_cast<std::int64_t>(options_.prompts.task.seed)}; }

  Result<Report> run(const Work& work) override {
    const Model& model = work.engine.model();
    HS_ASSIGN(const PromptSet set, make_prompt_set(work.engine, options_.prompts, true, false));
    note_dropped(set.dropped, work.context);
    std::vector<AttributionPrompt> prompts;
    for (const AblationPrompt& prompt : set.prompts)
      prompts.push_back({prompt.tokens, prompt.answers});
    HS_TRY(warn_unspaced(work.engine, set.rows(), set.unspaced, work.context));
    if (work.writer) HS_TRY(store_prompts(*work.writer, model, set, work.context));
    HS_ASSIGN(const DirectLogitAttribution found,
              attribute_logits(work.engine, prompts, work.context.control(), options_.tokens_per_run));
    if (work.writer) HS_TRY(store_attribution(*work.writer, "/logit_attribution", set.ids, found));
    return Report{to_json(found), strongest(found)};
  }

  std::unique_ptr<Cells> cells() override { return make_attribute_cells(options_); }

private:
  AttributeOptions options_;
};

} // namespace

std::unique_ptr<Method> make_attribute() { return std::make_unique<Attribute>(); }

} // namespace headscope::methods
