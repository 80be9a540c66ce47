// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/route/route.h"

#include <filesystem>

#include "app/methods/inputs/text_input.h"
#include "app/methods/route/route_report.h"
#include "app/runs/known_mechanisms.h"
#include "app/runs/result_parts.h"
#include "core/base/partial_file.h"
#include "core/base/text_file.h"
#include "core/mechanisms/spec.h"

namespace headscope::methods {
namespace {

class Route : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {
        .id = "route",
        .summary = "Find the cheapest mechanism of attention for each head within a budget of KL",
        .example = "headscope route --model smollm2 --text-file LICENSE --length 512 --candidate "
                   "streaming:sinks=4,window=60 --candidate topk:k=32 --budget 0.05 --plan-out plan.txt",
        .since = "0.2"};
    return info;
  }

  void inputs(OptionList& list) override {
    input_.list_file(list, "The text by which heads are chosen");
    list.add("held_out_file", held_out_file_,
             "The text on which the plan is checked; default: the part of the first behind what is used of it")
        .from("0.2")
        .reads_file();
    input_.list_no_bos(list);
  }
  store::Attributes recorded_inputs() const override {
    store::Attributes recorded = {
        {"text_file", input_.file}, {"held_out_file", held_out_file_}, {"no_bos", input_.no_bos}};
    for (store::Attribute& each : plan_attributes(mechanisms::joined_specs(task_.candidates)))
      recorded.push_back(std::move(each));
    return recorded;
  }

  void options(OptionList& list) override {
    list.add("candidate", task_.candidates,
             "A mechanism that a head may use in place of full attention, without a place; may be repeated "
             "(headscope mechanisms)")
        .from("0.2")
        .must();
    list.add("budget", task_.budget, "The most KL(full || plan) of the next token, mean over the text")
        .in("nat")
        .from("0.2")
        .at_least(0);
    list.add("length", length_, "First tokens of each text").in("token").from("0.2").at_least(2);
    list.add("skip", task_.skip, "The first predictions, which are left out").in("token").from("0.2").at_least(0);
    list.add("plan_out", plan_out_, "Write the plan to this file, as --attention takes it").from("0.2");
    list.add("duo_out", duo_out_, "Write it as DuoAttention's full_attention_heads.tsv to this file").from("0.2");
    list.add("replace", replace_, "Replace existing files of these names").from("0.2").unrecorded();
  }

  Status check_inputs() override {
    HS_TRY(input_.read());
    if (!held_out_file_.empty()) {
      HS_ASSIGN(held_out_, read_text_file(held_out_file_));
    }
    return {};
  }

  Status check_options() override {
    if (task_.candidates.empty()) return make_error(ErrorCode::invalid_argument, "is required", {}, "--candidate");
    task_.mechanisms = mechanisms_for(mechanisms::joined_specs(task_.candidates));
    for (const std::string& spec : task_.candidates)
      if (const auto parsed = mechanisms::parse_specs(spec, task_.mechanisms); !parsed.ok())
        return make_error(parsed.error().code, parsed.error().message, parsed.error().file, "--candidate");
    for (const auto& [path, flag] : {std::pair{plan_out_, "--plan-out"}, std::pair{duo_out_, "--duo-out"}})
      if (!path.empty() && !replace_ && std::filesystem::exists(path))
        return make_error(ErrorCode::already_exists, "exists; --replace overwrites it", path, flag);
    if (length_ < task_.skip + 2)
      return make_error(ErrorCode::invalid_argument, "leaves no prediction of " + std::to_string(length_) + " tokens",
                        {}, "--skip");
    return {};
  }

  Result<Report> run(const Work& work) override {
    const Model& model = work.engine.model();
    HS_TRY(read_texts(model));
    const auto route = mechanisms::find_route(work.engine, task_, work.context.control());
    work.context.finish_progress();
    if (!route.ok()) {
      const bool candidate = route.error().field == "candidates" || route.error().field == "heads";
      return make_error(route.error().code, route.error().message, route.error().file,
                        candidate ? "--candidate" : route.error().field);
    }
    if (work.writer) {
      HS_TRY(work.writer->add_prompt(prompt_of(model, "text", task_.tokens)));
      HS_TRY(work.writer->add_prompt(prompt_of(model, "held_out", task_.held_out)));
      HS_TRY(store_route(*work.writer, *route, task_, model.config));
    }
    HS_TRY(write(plan_out_, route->plan + "\n"));
    HS_TRY(write(duo_out_, full_attention_heads(*route, model.config)));
    return route_report(*route, task_, model.config);
  }

private:
  // Cuts the first tokens of a text; what is behind them is `rest`.
  Result<std::vector<std::int64_t>> first_tokens(const Model& model, const std::string& text, const std::string& file,
                                                 const char* flag, std::vector<std::int64_t>* rest) const {
    HS_ASSIGN(std::vector<std::int64_t> ids, input_.encode(model, text));
    if (length_ > model.config.n_ctx)
      return make_error(ErrorCode::mismatch, "is beyond the model's context of " + std::to_string(model.config.n_ctx),
                        {}, "--length");
    if (std::ssize(ids) < length_)
      return make_error(ErrorCode::invalid_argument,
                        "has " + std::to_string(ids.size()) + " tokens of " + std::to_string(length_), file, flag);
    if (rest) rest->assign(ids.begin() + length_, ids.end());
    ids.resize(static_cast<std::size_t>(length_));
    return ids;
  }

  Status read_texts(const Model& model) {
    std::vector<std::int64_t> rest;
    HS_ASSIGN(task_.tokens, first_tokens(model, input_.text, input_.file, "--text-file", &rest));
    if (!held_out_file_.empty()) {
      HS_ASSIGN(task_.held_out, first_tokens(model, held_out_, held_out_file_, "--held-out-file", nullptr));
      return {};
    }
    if (std::ssize(rest) < length_)
      return make_error(ErrorCode::invalid_argument,
                        "has only " + std::to_string(rest.size()) + " tokens behind the first " +
                            std::to_string(length_) + " to check the plan on; --held-out-file names another text",
                        input_.file, "--text-file");
    rest.resize(static_cast<std::size_t>(length_));
    task_.held_out = std::move(rest);
    return {};
  }

  Status write(const std::string& path, const std::string& text) const {
    return path.empty() ? Status{} : write_file(path, text, replace_);
  }

  TextInput input_;
  std::string held_out_file_, held_out_, plan_out_, duo_out_;
  bool replace_ = false;
  std::int64_t length_ = 512;
  mechanisms::RouteTask task_;
};

} // namespace

std::unique_ptr<Method> make_route() { return std::make_unique<Route>(); }

} // namespace headscope::methods
