// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>
#include <memory>
#include <optional>

#include "app/cli/command.h"
#include "app/methods/base/values.h"
#include "app/methods/inputs/model_options.h"
#include "core/base/text_file.h"

namespace headscope::cli {
namespace {

struct Options {
  std::string model, file;
  std::optional<std::string> text; // may well be empty
  bool no_special = false, plain_text = false;
};

Status run(const Options& options, const Console& console) {
  if (!options.text && options.file.empty())
    return make_error(ErrorCode::invalid_argument, "give --text or --text-file", {}, "--text");
  std::string text = options.text.value_or("");
  if (!options.file.empty()) {
    HS_ASSIGN(text, read_text_file(options.file));
  }
  HS_ASSIGN(const auto tokenizer, open_tokenizer(options.model));
  HS_ASSIGN(const auto ids, tokenizer->encode(text, {!options.no_special, !options.plain_text}));
  nlohmann::json pieces = nlohmann::json::array();
  std::vector<std::vector<std::string>> lines = {{"position", "id", "piece", "text"}};
  for (const std::int64_t id : ids) {
    pieces.push_back(tokenizer->piece(id));
    lines.push_back({std::to_string(lines.size() - 1), std::to_string(id), one_line(tokenizer->piece(id)),
                     "|" + one_line(tokenizer->text(id)) + "|"});
  }
  if (console.json)
    console.print({{"ids", ids}, {"pieces", pieces}});
  else
    std::printf("%s", aligned(lines).c_str());
  return {};
}

} // namespace

void add_tokens(CLI::App& app, Commands& commands) {
  CLI::App* command = add_command(app, commands, "tokens", "Show a text as the model's tokenizer splits it",
                                  "headscope tokens --model smollm2 --text 'The capital of France is' --json");
  auto options = std::make_shared<Options>();
  command->add_option("--model,-m", options->model, "A folder, a .gguf file, smollm2 or gemma3-270m")->required();
  auto* text = command->add_option("--text,-t", options->text, "The text");
  command->add_option("--text-file", options->file, "Read the text from a file")->excludes(text);
  command->add_flag("--no-special", options->no_special, "Add no BOS and no EOS");
  command->add_flag("--plain-text", options->plain_text, "Special tokens written in the text stay text");
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
