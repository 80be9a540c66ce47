// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>

#include "app/cli/command.h"
#include "app/cli/model_options.h"
#include "app/cli/progress.h"
#include "app/cli/result_output.h"
#include "app/cli/values.h"
#include "core/analysis/logit_lens.h"
#include "core/analysis/metric.h"

namespace headscope::cli {
namespace {

struct Options {
  ModelOptions model;
  PromptOptions prompt;
  OutputOptions output;
  std::vector<std::int64_t> positions;
  std::vector<std::string> tokens;
  bool all = false;
  LogitLensOptions lens;
};

// "0.resid_pre": the place of a row.
std::string place_of(const HookSite& site) { return std::to_string(site.layer) + "." + short_name(site.point); }

Result<LogitLensOptions> lens_options(const Options& options, const Model& model) {
  LogitLensOptions lens = options.lens;
  if (!options.all) lens.positions = options.positions.empty() ? std::vector<std::int64_t>{-1} : options.positions;
  for (const std::string& text : options.tokens) {
    const auto token = answer_token(*model.tokenizer, text);
    if (!token.ok()) return make_error(token.error().code, token.error().message, {}, "--token");
    lens.tokens.push_back(*token);
  }
  return lens;
}

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

void print_text(const LogitLens& lens, const std::vector<std::int64_t>& ids, const Tokenizer& tokenizer) {
  for (std::size_t p = 0; p < lens.positions.size(); ++p) {
    std::printf("%safter %lld |%s|\n", p ? "\n" : "", static_cast<long long>(lens.positions[p]),
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
    std::printf("%s", aligned(lines).c_str());
  }
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

Status run(const Options& options, const Console& console) {
  HS_ASSIGN(const std::string text, prompt_text(options.prompt));
  if (text.empty()) return make_error(ErrorCode::invalid_argument, "the prompt is empty", {}, "--prompt");
  HS_ASSIGN(auto writer, open_output(options.output, console));
  HS_ASSIGN(const auto model, load(options.model, console, true));
  HS_ASSIGN(const Engine engine, open_engine(model, options.model));
  HS_ASSIGN(const auto ids, encode_prompt(*model, text, options.prompt));
  HS_ASSIGN(const LogitLensOptions how, lens_options(options, *model));
  HS_ASSIGN(const LogitLens lens, logit_lens(engine, ids, how, console.task()));
  finish_progress();
  if (writer) {
    HS_TRY(store_model(*writer, *model, options.model));
    HS_TRY(writer->set_options("lens", {{"top", how.top}, {"mid", how.mid}, {"tokens", options.tokens}}));
    HS_TRY(writer->add_prompt(prompt_of(*model, "prompt", ids)));
    HS_TRY(store_lens(*writer, lens, *model->tokenizer));
  }
  if (console.json)
    console.print(to_json(lens, *model->tokenizer));
  else
    print_text(lens, ids, *model->tokenizer);
  return finish_output(writer, options.output, console, true);
}

} // namespace

void add_lens(CLI::App& app, Commands& commands) {
  CLI::App* command =
      add_command(app, commands, "lens", "What the model would predict after each layer (logit lens)",
                  "headscope lens --model smollm2 --prompt 'The capital of France is' --token ' Paris'");
  auto options = std::make_shared<Options>();
  add_model_options(*command, options->model);
  add_prompt_options(*command, options->prompt);
  command
      ->add_option("--position", options->positions,
                   "After these tokens of the prompt (default: the last); negative counts from the end")
      ->delimiter(',');
  command->add_flag("--all", options->all, "After every token of the prompt")->excludes("--position");
  command->add_option("--token", options->tokens, "Also the rank and probability of this token; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--top", options->lens.top, "How many of the likeliest tokens")
      ->capture_default_str()
      ->check(at_least(1));
  command->add_flag("--mid", options->lens.mid, "Also between attention and MLP");
  add_output_options(*command, options->output, false);
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
