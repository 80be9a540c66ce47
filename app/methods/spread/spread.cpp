// SPDX-License-Identifier: GPL-3.0-or-later
// The method `spread`: how far heads look on a text, over how many keys, and at which kinds of tokens.
#include <algorithm>

#include "app/methods/base/method.h"
#include "app/methods/inputs/text_input.h"
#include "app/methods/spread/spread_report.h"
#include "app/runs/result_parts.h"
#include "core/text/token_class.h"

namespace headscope::methods {
namespace {

SpreadRequest default_request() {
  SpreadRequest request;
  request.keys = {1, 2, 4, 8, 16, 32, 64};
  return request;
}

class Spread : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {
        .id = "spread",
        .summary = "Measure how far heads look, over how many keys, and at which kinds of tokens",
        .example = "headscope spread --model smollm2 --text-file LICENSE --length 256 --out spread.h5",
        .since = "0.2"};
    return info;
  }

  void inputs(OptionList& list) override { input_.list(list); }
  store::Attributes recorded_inputs() const override { return input_.recorded(); }

  void options(OptionList& list) override {
    list.add("length", length_, "First tokens of the text; the pattern of a layer is held whole")
        .in("token")
        .from("0.2")
        .at_least(2);
    list.add("skip", request_.skip, "First queries that are left out").in("token").from("0.2").at_least(0);
    list.add("width", request_.width, "Tokens in a row of a grid, for distances in two dimensions; 0: no grid")
        .in("token")
        .from("0.2")
        .at_least(0);
    list.add("keys", request_.keys, "Key counts at which the KL of a pattern cut to its largest keys is measured")
        .in("token")
        .from("0.2")
        .by_comma();
    list.add("keep", keep_, "KL up to which a head is said to need so many keys").in("nat").from("0.2").at_least(0);
  }

  Status check_inputs() override { return input_.read(); }

  Status check_options() override {
    std::sort(request_.keys.begin(), request_.keys.end());
    if (request_.keys.empty() || request_.keys.front() < 1)
      return make_error(ErrorCode::invalid_argument, "must be at least 1", {}, "--keys");
    return {};
  }

  Result<Report> run(const Work& work) override {
    const Model& model = work.engine.model();
    HS_ASSIGN(request_.tokens, input_.encode(model, input_.text));
    request_.tokens.resize(static_cast<std::size_t>(std::min(std::ssize(request_.tokens), length_)));
    if (std::ssize(request_.tokens) < request_.skip + 1)
      return make_error(ErrorCode::invalid_argument,
                        "leaves no query of " + std::to_string(request_.tokens.size()) + " tokens", {}, "--skip");
    HS_TRY(work.engine.check_length(std::ssize(request_.tokens), "the text", "--length"));
    SpreadResult result;
    classify(*model.tokenizer, result);
    auto spread = measure_spread(work.engine, request_, work.context.control());
    work.context.finish_progress();
    if (!spread.ok()) return spread.error();
    result.spread = std::move(*spread);
    result.n_layers = model.config.n_layers;
    result.n_heads = model.config.n_heads;
    result.tokens = std::ssize(request_.tokens);
    result.keys = request_.keys;
    result.keep = keep_;
    if (work.writer) {
      HS_TRY(work.writer->add_prompt(prompt_of(model, "text", request_.tokens)));
      HS_TRY(store_spread(*work.writer, result));
    }
    return spread_report(result);
  }

private:
  // The first token is a class of its own, since it draws attention by its position.
  void classify(const Tokenizer& tokenizer, SpreadResult& result) {
    std::vector<UnitToken> units;
    for (const std::int64_t token : request_.tokens)
      units.push_back({tokenizer.text(token), tokenizer.is_special(token)});
    request_.n_classes = static_cast<int>(token_class_count) + 1;
    request_.classes = {0};
    const std::vector<TokenClass> classes = token_classes(units);
    for (std::size_t i = 1; i < classes.size(); ++i)
      request_.classes.push_back(1 + static_cast<int>(classes[i]));
    result.classes = {"first"};
    for (std::size_t i = 0; i < token_class_count; ++i)
      result.classes.emplace_back(token_class_name(static_cast<TokenClass>(i)));
    result.class_tokens.assign(result.classes.size(), 0);
    for (const int kind : request_.classes)
      ++result.class_tokens[static_cast<std::size_t>(kind)];
  }

  TextInput input_;
  SpreadRequest request_ = default_request();
  std::int64_t length_ = 512;
  double keep_ = 0.05;
};

} // namespace

std::unique_ptr<Method> make_spread() { return std::make_unique<Spread>(); }

} // namespace headscope::methods
