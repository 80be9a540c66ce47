// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/tasks/task.h"

#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include "core/prompts/prompt_file.h"
#include "core/prompts/tasks/alignment.h"
#include "core/prompts/tasks/generator.h"
#include "core/prompts/tasks/ioi.h"

namespace headscope {
namespace {

using tasks::Generator;

// Describes the kind only: its generator, which detectors use too, is core/prompts/tasks/ioi.h.
TaskKind ioi_kind() {
  TaskKind kind = {"ioi", "the indirect object of a sentence", "Wang et al. 2211.00593", {}, {"ABBA", "BABA"}};
  for (const Named<IoiCorruption>& each : names_of<IoiCorruption>())
    kind.counterfactuals.emplace_back(each.name);
  return kind;
}

std::vector<Generator> generators() {
  return {{ioi_kind(), nullptr}, tasks::greater_than(),    tasks::gendered_pronoun(),
          tasks::docstring(),    tasks::colored_objects(), tasks::multiple_choice(),
          tasks::successor(),    tasks::agreement(),       tasks::graph()};
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}
bool is_file(const std::string& name) {
  return ends_with(name, ".csv") || ends_with(name, ".jsonl") || ends_with(name, ".json");
}

std::string joined(const std::vector<std::string_view>& names) {
  std::string out;
  for (const std::string_view name : names)
    out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

Result<Generator> find_generator(std::string_view name) {
  std::string wanted(name);
  std::replace(wanted.begin(), wanted.end(), '-', '_');
  std::vector<std::string_view> names;
  const std::vector<Generator> all = generators();
  for (const Generator& each : all) {
    if (each.kind.name == wanted) return each;
    names.push_back(each.kind.name);
  }
  return make_error(ErrorCode::not_found,
                    "there is no task '" + std::string(name) + "'; there are " + joined(names) +
                        ", and files NAME.csv, NAME.jsonl and NAME.json",
                    {}, "task");
}

Status check_choice(const std::string& choice, const std::vector<std::string_view>& known, const char* field,
                    std::string_view task) {
  if (choice.empty() || std::find(known.begin(), known.end(), choice) != known.end()) return {};
  return make_error(ErrorCode::invalid_argument,
                    "'" + choice + "' is none of " + std::string(task) +
                        (known.empty() ? ": it has none" : "'s: " + joined(known)),
                    {}, field);
}

TaskSet ioi_set(const IoiTask& made, IoiCorruption corruption) {
  TaskSet set;
  const bool flip = corruption == IoiCorruption::flip;
  const std::vector<PatchPair> pairs = patch_pairs(made, corruption);
  for (std::size_t i = 0; i < made.cases.size(); ++i) {
    const IoiCase& item = made.cases[i];
    set.cases.push_back({{item.clean, flip ? item.flip : item.abc, {item.answer}, {item.wrong}, item.order}, pairs[i]});
  }
  for (const IoiDropped& dropped : made.dropped)
    set.dropped.push_back({dropped.text, dropped.reason});
  return set;
}

Result<TaskSet> make_ioi(const Tokenizer& tokenizer, const TaskRequest& request) {
  IoiOptions options;
  options.count = request.count;
  options.seed = request.seed;
  options.abba = request.variant != "BABA";
  options.baba = request.variant != "ABBA";
  HS_ASSIGN(const IoiCorruption corruption, parse_name<IoiCorruption>(request.counterfactual, "counterfactual"));
  HS_ASSIGN(const IoiTask made, make_ioi_task(tokenizer, options));
  return ioi_set(made, corruption);
}

// Keeps a pair whose tokens align, or records why it does not.
Status keep(const Tokenizer& tokenizer, TaskExample example, TaskSet& set) {
  HS_ASSIGN(Alignment aligned, align(tokenizer, example));
  if (auto* pair = std::get_if<PatchPair>(&aligned))
    set.cases.push_back({std::move(example), std::move(*pair)});
  else
    set.dropped.push_back({std::move(example.clean), std::get<std::string>(std::move(aligned))});
  return {};
}

Result<TaskSet> draw_set(const Tokenizer& tokenizer, const tasks::Draw& draw, const TaskRequest& request) {
  TaskSet set;
  Random random(request.seed);
  std::set<std::pair<std::string, std::string>> seen;
  const std::int64_t most_draws = 20 * request.count + 200;
  for (std::int64_t i = 0; i < most_draws && static_cast<std::int64_t>(set.cases.size()) < request.count; ++i) {
    TaskExample example = draw(random);
    if (seen.emplace(example.clean, example.corrupted).second) HS_TRY(keep(tokenizer, std::move(example), set));
  }
  if (static_cast<std::int64_t>(set.cases.size()) == request.count) return set;
  std::string why;
  for (const auto& [reason, count] : set.dropped_by_reason())
    why += "; " + std::to_string(count) + " dropped: " + reason;
  return make_error(ErrorCode::unsupported,
                    "only " + std::to_string(set.cases.size()) + " of " + std::to_string(request.count) +
                        " different pairs could be made whose tokens align under this tokenizer" + why,
                    {}, "count");
}

Result<TaskSet> read_set(const Tokenizer& tokenizer, const TaskRequest& request) {
  HS_ASSIGN(const std::vector<PromptRow> rows, read_prompt_file(request.name));
  TaskSet set;
  const std::int64_t most = request.count > 0 ? request.count : std::numeric_limits<std::int64_t>::max();
  for (const PromptRow& row : rows) {
    if (static_cast<std::int64_t>(set.cases.size()) == most) break;
    if (row.corrupted.empty())
      return make_error(ErrorCode::invalid_argument, "has no corrupted prompt", request.name, row.place);
    if (row.answer.empty()) return make_error(ErrorCode::invalid_argument, "has no answer", request.name, row.place);
    HS_TRY(keep(tokenizer, {row.prompt, row.corrupted, split_answers(row.answer), split_answers(row.wrong)}, set));
  }
  if (!set.cases.empty()) return set;
  return make_error(ErrorCode::unsupported,
                    "no pair's tokens align under this tokenizer: " + set.dropped.front().reason, request.name);
}

} // namespace

std::vector<TaskKind> task_kinds() {
  std::vector<TaskKind> kinds;
  for (const Generator& each : generators())
    kinds.push_back(each.kind);
  return kinds;
}

Result<TaskKind> find_task(std::string_view name) {
  HS_ASSIGN(Generator found, find_generator(name));
  return std::move(found.kind);
}

std::string TaskSet::title() const { return counterfactual.empty() ? name : name + " (" + counterfactual + ")"; }

std::map<std::string, std::int64_t> TaskSet::dropped_by_reason() const {
  std::map<std::string, std::int64_t> counts;
  for (const TaskDropped& each : dropped)
    ++counts[each.reason];
  return counts;
}

std::vector<PatchPair> TaskSet::pairs() const {
  std::vector<PatchPair> out;
  for (const TaskCase& each : cases)
    out.push_back(each.tokens);
  return out;
}

std::vector<AblationPrompt> TaskSet::prompts() const {
  std::vector<AblationPrompt> out;
  for (const TaskCase& each : cases)
    out.push_back({each.tokens.clean, each.tokens.answers});
  return out;
}

Status check_task_request(const TaskRequest& request) {
  const bool file = is_file(request.name);
  if (file) {
    HS_TRY(check_choice(request.counterfactual + request.variant, {}, "counterfactual", "a file"));
  } else {
    HS_ASSIGN(const TaskKind kind, find_task(request.name));
    HS_TRY(check_choice(request.counterfactual, kind.counterfactuals, "counterfactual", kind.name));
    HS_TRY(check_choice(request.variant, kind.variants, "variant", kind.name));
  }
  if (request.count > 0 || (file && request.count == 0)) return {};
  return make_error(ErrorCode::invalid_argument, "must be positive", {}, "count");
}

Result<TaskSet> make_task(const Tokenizer& tokenizer, const TaskRequest& request) {
  HS_TRY(check_task_request(request));
  if (is_file(request.name)) {
    HS_ASSIGN(TaskSet set, read_set(tokenizer, request));
    set.name = request.name.substr(request.name.find_last_of('/') + 1);
    return set;
  }
  HS_ASSIGN(const Generator generator, find_generator(request.name));
  TaskRequest full = request;
  if (full.counterfactual.empty()) full.counterfactual = generator.kind.counterfactuals.front();
  TaskSet set;
  if (generator.make) {
    HS_ASSIGN(const tasks::Draw draw, generator.make(tokenizer, full));
    HS_ASSIGN(set, draw_set(tokenizer, draw, full));
  } else {
    HS_ASSIGN(set, make_ioi(tokenizer, full));
  }
  set.name = generator.kind.name;
  set.counterfactual = full.counterfactual;
  return set;
}

} // namespace headscope
