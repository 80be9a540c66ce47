// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/lens/lens.h"

#include <set>

#include "app/methods/base/values.h"
#include "app/methods/inputs/model_options.h"
#include "app/runs/result_parts.h"
#include "core/analysis/logit_lens.h"
#include "core/scoring/metric.h"

namespace headscope::methods {
namespace {

// The place of a row, e.g. "0.resid_pre".
std::string place_of(const HookSite& site) { return std::to_string(site.layer) + "." + short_name(site.point); }

nlohmann::json cell_json(const LogitLens& lens, std::size_t cell, const Tokenizer& tokenizer) {
  nlohmann::json top = nlohmann::json::array(), tokens = nlohmann::json::array();
  const auto width = static_cast<std::size_t>(lens.top);
  for (std::size_t i = cell * width; i < (cell + 1) * width; ++i)
    top.push_back({{"id", lens.top_ids[i]},
                   {"piece", tokenizer.piece(lens.top_ids[i])},
                   {"logit", number(lens.top_logits[i])},
                   {"probability", number(lens.top_probabilities[i])}});
  for (std::size_t t = 0; t < lens.tokens.size(); ++t) {
    const std::size_t i = cell * lens.tokens.size() + t;
    tokens.push_back({{"id", lens.tokens[t]},
                      {"piece", tokenizer.piece(lens.tokens[t])},
                      {"logit", number(lens.token_logits[i])},
                      {"probability", number(lens.token_probabilities[i])},
                      {"rank", lens.token_ranks[i]}});
  }
  return {{"top", top},
          {"tokens", tokens},
          {"kl_divergence", number(lens.kl_divergence[cell])},
          {"entropy", number(lens.entropy[cell])}};
}

nlohmann::json to_json(const LogitLens& lens, const Tokenizer& tokenizer) {
  nlohmann::json rows = nlohmann::json::array();
  for (std::size_t r = 0; r < lens.sites.size(); ++r) {
    nlohmann::json positions = nlohmann::json::array();
    for (std::size_t p = 0; p < lens.positions.size(); ++p) {
      nlohmann::json cell = cell_json(lens, lens.index(r, p), tokenizer);
      cell["position"] = lens.positions[p];
      positions.push_back(std::move(cell));
    }
    rows.push_back(
        {{"layer", lens.sites[r].layer}, {"site", short_name(lens.sites[r].point)}, {"positions", positions}});
  }
  return {{"rows", rows}};
}

std::string tables(const LogitLens& lens, const std::vector<std::int64_t>& ids, const Tokenizer& tokenizer) {
  std::string text;
  for (std::size_t p = 0; p < lens.positions.size(); ++p) {
    text += printed("%safter %lld |%s|\n", p ? "\n" : "", static_cast<long long>(lens.positions[p]),
                    one_line(tokenizer.text(ids[static_cast<std::size_t>(lens.positions[p])])).c_str());
    std::vector<std::vector<std::string>> lines = {{"place", "token", "probability", "KL from the model", "entropy"}};
    for (const std::int64_t token : lens.tokens)
      lines[0].push_back("rank of |" + one_line(tokenizer.text(token)) + "|");
    for (std::size_t r = 0; r < lens.sites.size(); ++r) {
      const std::size_t cell = lens.index(r, p), first = cell * static_cast<std::size_t>(lens.top);
      lines.push_back({place_of(lens.sites[r]), "|" + one_line(tokenizer.text(lens.top_ids[first])) + "|",
                       fixed(lens.top_probabilities[first], 4), fixed(lens.kl_divergence[cell], 4),
                       fixed(lens.entropy[cell], 4)});
      for (std::size_t t = 0; t < lens.tokens.size(); ++t)
        lines.back().push_back(std::to_string(lens.token_ranks[cell * lens.tokens.size() + t]));
    }
    text += aligned(lines);
  }
  return text;
}

// The texts of the likeliest tokens, so that a file can be read without the tokenizer.
store::Table token_table(const LogitLens& lens, const Tokenizer& tokenizer) {
  std::set<std::int64_t> distinct(lens.top_ids.begin(), lens.top_ids.end());
  distinct.erase(-1); // not measured
  std::vector<std::string> texts;
  for (const std::int64_t id : distinct)
    texts.push_back(tokenizer.text(id));
  return {{{"id", std::vector<std::int64_t>(distinct.begin(), distinct.end()), "token id", "a token of top_ids"},
           {"text", std::move(texts), "text", "its text"}},
          {}};
}

Status store_lens(store::ResultWriter& writer, const LogitLens& lens, const Tokenizer& tokenizer) {
  std::vector<std::string> places, positions, tokens;
  for (const HookSite& site : lens.sites)
    places.push_back(place_of(site));
  for (const std::int64_t position : lens.positions)
    positions.push_back(std::to_string(position));
  for (const std::int64_t token : lens.tokens)
    tokens.push_back(tokenizer.piece(token));
  const auto rows = static_cast<std::int64_t>(places.size()), columns = static_cast<std::int64_t>(positions.size());
  store::ArraySpec spec;
  spec.axes = {{"place", places}, {"position", positions}, {"rank", {}}};
  spec.shape = {rows, columns, lens.top};
  const auto put = [&](const char* name, const auto& values, const char* units, const char* what) {
    spec.units = units;
    spec.long_name = what;
    return writer.add_array(std::string("/logit_lens/") + name, spec, std::span(values));
  };
  spec.dtype = store::DType::int64;
  HS_TRY(put("top_ids", lens.top_ids, "token id", "likeliest next tokens"));
  spec.dtype = store::DType::float32;
  HS_TRY(put("top_logits", lens.top_logits, "logit", "their logits"));
  HS_TRY(put("top_probabilities", lens.top_probabilities, "1", "their probabilities"));
  HS_TRY(writer.add_table("/logit_lens/tokens", token_table(lens, tokenizer)));
  spec.axes.pop_back();
  spec.shape.pop_back();
  HS_TRY(put("kl_divergence", lens.kl_divergence, "nat", "KL divergence of the model from this place"));
  HS_TRY(put("entropy", lens.entropy, "nat", "entropy of the prediction"));
  if (tokens.empty()) return {};
  spec.axes.push_back({"token", tokens});
  spec.shape.push_back(static_cast<std::int64_t>(tokens.size()));
  HS_TRY(put("token_logits", lens.token_logits, "logit", "logits of the chosen tokens"));
  HS_TRY(put("token_probabilities", lens.token_probabilities, "1", "probabilities of the chosen tokens"));
  spec.dtype = store::DType::int64;
  return put("token_ranks", lens.token_ranks, "1", "tokens with a larger logit than the chosen one");
}

class Lens : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {
        .id = "lens",
        .summary = "What the model would predict after each layer (logit lens)",
        .example = "headscope lens --model smollm2 --prompt 'The capital of France is' --token ' Paris'"};
    return info;
  }

  void inputs(OptionList& list) override { list_prompt_options(list, prompt_); }
  store::Attributes recorded_inputs() const override {
    store::Attributes used = option_attributes(prompt_);
    used.push_back({"tokens", tokens_}); // what files have called --token from the first version on
    return used;
  }

  void options(OptionList& list) override {
    list.add("position", positions_,
             "After these tokens of the prompt (default: the last); negative counts from the end")
        .by_comma();
    list.add("all", all_, "After every token of the prompt").excluding("position");
    list.add("token", tokens_, "Also the rank and probability of this token; may be repeated").unrecorded();
    list.add("top", lens_.top, "How many of the likeliest tokens").in("token").at_least(1);
    list.add("mid", lens_.mid, "Also between attention and MLP");
  }

  Status check_inputs() override {
    HS_ASSIGN(text_, one_prompt(prompt_));
    return {};
  }

  Result<Report> run(const Work& work) override {
    const Model& model = work.engine.model();
    HS_ASSIGN(const auto ids, encode_prompt(work.engine, text_, prompt_));
    HS_ASSIGN(const LogitLensOptions how, lens_of(*model.tokenizer));
    HS_ASSIGN(const LogitLens lens, logit_lens(work.engine, ids, how, work.context.control()));
    if (work.writer) {
      HS_TRY(work.writer->add_prompt(prompt_of(model, "prompt", ids)));
      HS_TRY(store_lens(*work.writer, lens, *model.tokenizer));
    }
    return Report{to_json(lens, *model.tokenizer), tables(lens, ids, *model.tokenizer)};
  }

private:
  Result<LogitLensOptions> lens_of(const Tokenizer& tokenizer) const {
    LogitLensOptions lens = lens_;
    if (!all_) lens.positions = positions_.empty() ? std::vector<std::int64_t>{-1} : positions_;
    for (const std::string& text : tokens_) {
      const auto token = answer_token(tokenizer, text);
      if (!token.ok()) return make_error(token.error().code, token.error().message, {}, "--token");
      lens.tokens.push_back(*token);
    }
    return lens;
  }

  PromptOptions prompt_;
  std::string text_; // of the prompt
  std::vector<std::int64_t> positions_;
  std::vector<std::string> tokens_;
  bool all_ = false;
  LogitLensOptions lens_; // its positions and tokens are found when the model is there
};

} // namespace

std::unique_ptr<Method> make_lens() { return std::make_unique<Lens>(); }

} // namespace headscope::methods
