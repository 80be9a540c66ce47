// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>
#include <filesystem>

#include "app/cli/command.h"
#include "app/methods/base/values.h"
#include "app/methods/inputs/model_options.h"
#include "app/methods/inputs/task_options.h"
#include "core/base/partial_file.h"
#include "core/prompts/csv.h"
#include "core/prompts/prompt_file.h"

namespace headscope::cli {
namespace {

struct Options {
  std::string model, out;
  TaskOptions task;
  bool force = false;
};

std::string joined(const std::vector<std::string_view>& words) {
  std::string out;
  for (const std::string_view word : words)
    out += (out.empty() ? "" : ", ") + std::string(word);
  return out.empty() ? "-" : out;
}

Status list(const Console& console) {
  nlohmann::json json = nlohmann::json::array();
  std::vector<std::vector<std::string>> lines = {{"task", "corrupted prompts", "variants", "what comes next", "after"}};
  for (const TaskKind& kind : task_kinds()) {
    json.push_back({{"name", kind.name},
                    {"title", kind.title},
                    {"reference", kind.reference},
                    {"counterfactuals", kind.counterfactuals},
                    {"variants", kind.variants}});
    lines.push_back({std::string(kind.name), joined(kind.counterfactuals), joined(kind.variants),
                     std::string(kind.title), std::string(kind.reference)});
  }
  if (console.json)
    console.print({{"tasks", json}});
  else
    std::printf("%s", aligned(lines).c_str());
  return {};
}

nlohmann::json to_json(const TaskExample& example) {
  nlohmann::json json = {
      {"clean", example.clean}, {"corrupted", example.corrupted}, {"answer", example.answer}, {"wrong", example.wrong}};
  if (!example.variant.empty()) json["variant"] = example.variant;
  return json;
}

nlohmann::json to_json(const TaskSet& set) {
  nlohmann::json pairs = nlohmann::json::array();
  for (const TaskCase& each : set.cases)
    pairs.push_back(to_json(each.example));
  return {{"task", set.name},
          {"counterfactual", set.counterfactual},
          {"pairs", std::move(pairs)},
          {"dropped", set.dropped_by_reason()}};
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string csv_of(const TaskSet& set) {
  std::string text = csv_line({"clean", "corrupted", "answer", "wrong", "variant"});
  for (const TaskCase& each : set.cases)
    text += csv_line({each.example.clean, each.example.corrupted, join_answers(each.example.answer),
                      join_answers(each.example.wrong), each.example.variant});
  return text;
}

Result<std::string> file_text(const TaskSet& set, const std::string& path) {
  if (ends_with(path, ".csv")) return csv_of(set);
  if (ends_with(path, ".json")) return to_json(set).dump(1) + "\n";
  if (!ends_with(path, ".jsonl"))
    return make_error(ErrorCode::invalid_argument, "its name must end in .csv, .jsonl or .json", path, "--out");
  std::string text;
  for (const TaskCase& each : set.cases)
    text += to_json(each.example).dump() + "\n";
  return text;
}

void print_text(const TaskSet& set) {
  std::printf("%zu pairs of %s\n", set.cases.size(), set.title().c_str());
  for (std::size_t i = 0; i < std::min<std::size_t>(5, set.cases.size()); ++i) {
    const TaskExample& example = set.cases[i].example;
    std::printf("\nclean      %s\ncorrupted  %s\nanswer    %s\nwrong     %s\n", one_line(example.clean).c_str(),
                one_line(example.corrupted).c_str(), join_answers(example.answer).c_str(),
                join_answers(example.wrong).c_str());
  }
}

Status make(const Options& options, const Console& console) {
  HS_TRY(check_task(options.task));
  if (!options.out.empty()) {
    HS_TRY(file_text({}, options.out)); // a name that no format goes with is refused before any work
    if (!options.force && std::filesystem::exists(options.out))
      return make_error(ErrorCode::already_exists, "exists; give --force to replace it", options.out, "--out");
  }
  HS_ASSIGN(const auto tokenizer, open_tokenizer(options.model));
  HS_ASSIGN(const TaskSet set, make_task(*tokenizer, options.task.request()));
  note_dropped(dropped_lines(set), console.context());
  if (!options.out.empty()) {
    HS_ASSIGN(const std::string text, file_text(set, options.out));
    HS_TRY(write_file(options.out, text, options.force));
    console.note("wrote " + std::to_string(set.cases.size()) + " pairs to " + options.out);
  }
  if (console.json)
    console.print(to_json(set));
  else if (options.out.empty())
    print_text(set);
  return {};
}

} // namespace

void add_tasks(CLI::App& app, Commands& commands) {
  CLI::App* group = app.add_subcommand("tasks", "Tasks: generated pairs of clean and corrupted prompts");
  group->require_subcommand(1);
  CLI::App* listing = add_command(*group, commands, "list", "The tasks there are", "headscope tasks list");
  listing->callback([&commands] { commands.chosen = [](const Console& console) { return list(console); }; });
  CLI::App* command =
      add_command(*group, commands, "make", "Make the pairs of a task, or check a file's, under a model's tokenizer",
                  "headscope tasks make ioi --model smollm2 --count 20 --seed 1 --out pairs.csv");
  auto options = std::make_shared<Options>();
  command
      ->add_option("TASK", options->task.name,
                   "A task (headscope tasks list), or a file .csv, .jsonl or .json of pairs")
      ->required();
  command->add_option("--model,-m", options->model, "The model whose tokenizer the pairs are for")->required();
  command->add_option("--count", options->task.count, "How many pairs; default: 20, of a file all")->check(at_least(1));
  command->add_option("--seed", options->task.seed, "Of the choices")->capture_default_str()->check(at_least(0));
  command->add_option("--variant", options->task.variant, "Only this form of the task");
  command->add_option("--corruption", options->task.counterfactual,
                      "What the corrupted prompts are; default: the task's first");
  command->add_option("--out,-o", options->out, "The file to write: .csv, .jsonl or .json");
  command->add_flag("--force", options->force, "Replace an existing file");
  command->callback([&commands, options] {
    commands.chosen = [options](const Console& console) { return make(*options, console); };
  });
}

} // namespace headscope::cli
