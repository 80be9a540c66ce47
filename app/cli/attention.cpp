// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>

#include "app/cli/attention_run.h"
#include "app/cli/command.h"
#include "app/cli/heads.h"
#include "app/cli/model_options.h"

namespace headscope::cli {
namespace {

struct Options {
  ModelOptions model;
  PromptOptions prompt;
  OutputOptions output;
  std::string heads = "all", precision = "float16";
};

Status run(const Options& options, const Console& console) {
  HS_ASSIGN(const std::string text, prompt_text(options.prompt));
  if (text.empty()) return make_error(ErrorCode::invalid_argument, "the prompt is empty", {}, "--prompt");
  if (options.precision != "float16" && options.precision != "float32")
    return make_error(ErrorCode::invalid_argument, "must be float16 or float32, not '" + options.precision + "'", {},
                      "--precision");
  HS_ASSIGN(auto writer, open_output(options.output, console));
  HS_ASSIGN(const auto model, load(options.model, console, true));
  AttentionTask task;
  task.prompt_id = "prompt-0";
  HS_ASSIGN(task.ids, encode_prompt(*model, text, options.prompt));
  HS_ASSIGN(task.heads, parse_heads(options.heads, model->config));
  task.dtype = options.precision == "float32" ? store::DType::float32 : store::DType::float16;
  HS_TRY(store_model(*writer, *model, options.model));
  store::Attributes used = option_attributes(options.prompt);
  used.push_back({"heads", options.heads});
  used.push_back({"precision", options.precision});
  HS_TRY(writer->set_options("attention", used));
  HS_ASSIGN(const Engine engine, open_engine(model, options.model));
  HS_ASSIGN(const StoredMaps stored, run_attention(engine, task, console, *writer));
  const Status finished = finish_output(writer, options.output, console, stored.complete);
  if (!finished.ok() && finished.error().code != ErrorCode::cancelled) return finished.error();
  nlohmann::json names = nlohmann::json::array();
  for (const HeadId& head : stored.heads)
    names.push_back(head_name(head));
  if (console.json)
    console.print({{"file", options.output.path},
                   {"prompt", task.prompt_id},
                   {"tokens", task.ids.size()},
                   {"heads", names},
                   {"complete", stored.complete}});
  else
    std::printf("%zu maps of %zu x %zu in %s\n", stored.heads.size(), task.ids.size(), task.ids.size(),
                options.output.path.c_str());
  return finished;
}

} // namespace

void add_attention(CLI::App& app, Commands& commands) {
  CLI::App* command = add_command(app, commands, "attention", "Store the attention maps of a prompt",
                                  "headscope attention --model smollm2 --prompt 'The cat sat on the mat. The cat sat' "
                                  "--heads 18.6,17.3 --out maps.h5");
  auto options = std::make_shared<Options>();
  add_model_options(*command, options->model);
  add_prompt_options(*command, options->prompt);
  command->add_option("--heads", options->heads, "all, heads (18.6,17.3 or 18.0-3), layers (18 or 10-12)")
      ->capture_default_str();
  command->add_option("--precision", options->precision, "float16 or float32 weights in the file")
      ->capture_default_str();
  add_output_options(*command, options->output, true);
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
