// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/detectors/ioi_heads.h"

#include <algorithm>
#include <cmath>

#include "core/store/column_values.h"
#include "plugins/detectors/copy_score.h"
#include "plugins/detectors/evidence.h"

namespace headscope {

std::vector<OptionSpec> ioi_options() {
  return {
      {"prompts", std::int64_t{12}, "number of indirect-object prompts", {}, 1},
      {"through_mlps", true, "path patching: MLPs between a head and what it is patched into follow"},
      {"top", std::int64_t{5}, "copy score: a name counts when it is among so many largest logits", {}, 1},
      {"seed", std::int64_t{0}, "of the prompts", {}, 0},
  };
}

Status check_ioi(const Engine& engine, const std::string& id) {
  const auto& tokenizer = engine.model().tokenizer;
  if (!tokenizer)
    return make_error(ErrorCode::unsupported, "the model has no tokenizer to read sentences with", {}, id);
  IoiOptions one;
  one.count = 1;
  const auto task = make_ioi_task(*tokenizer, one);
  if (!task.ok()) return make_error(ErrorCode::unsupported, task.error().message, {}, id);
  return {};
}

std::vector<std::vector<std::int64_t>> IoiSet::prompts() const {
  std::vector<std::vector<std::int64_t>> out;
  for (const IoiCase& item : task.cases)
    out.push_back(item.clean_ids);
  return out;
}

std::vector<std::vector<std::int64_t>> IoiSet::name_positions() const {
  std::vector<std::vector<std::int64_t>> out;
  for (const IoiCase& item : task.cases)
    out.push_back({item.io_position, item.s1_position, item.s2_position});
  return out;
}

std::vector<std::int64_t> IoiSet::positions(std::int64_t IoiCase::*name) const {
  std::vector<std::int64_t> out;
  for (const IoiCase& item : task.cases)
    out.push_back(item.*name);
  return out;
}

Result<IoiSet> ioi_set(const DetectorRun& run) {
  IoiOptions options;
  options.count = run.options.integer("prompts");
  options.seed = static_cast<std::uint64_t>(run.options.integer("seed"));
  IoiSet set;
  HS_ASSIGN(set.task, make_ioi_task(*run.engine.model().tokenizer, options));
  set.pairs = patch_pairs(set.task, IoiCorruption::abc);
  return set;
}

std::vector<double> percent_lost(const LastTokenEffects& effects, double logit_difference) {
  std::vector<double> out = effects.mean_effects();
  for (double& value : out)
    value *= -100.0 / logit_difference;
  return out;
}

Result<NameMoving> name_moving(const DetectorRun& run, const IoiSet& set) {
  LastTokenPaths paths;
  paths.through_mlps = run.options.flag("through_mlps");
  NameMoving found;
  HS_ASSIGN(found.direct, patch_last_token_paths(run.engine, set.pairs, paths, run.control));
  found.logit_difference = found.direct.mean_clean();
  double right = 0.0;
  for (const double difference : found.direct.clean)
    right += difference > 0.0 ? 1.0 : 0.0;
  found.accuracy = right / static_cast<double>(found.direct.n_pairs);
  found.lost = percent_lost(found.direct, found.logit_difference);
  HS_ASSIGN(found.attention,
            attention_from_last(run.engine, set.prompts(), set.positions(&IoiCase::io_position), run.control.cancel));
  HS_ASSIGN(CopyScores scores,
            copy_scores(run.engine, set.prompts(), set.name_positions(), run.options.integer("top"), run.control));
  found.copy = std::move(scores.copy);
  found.negative = std::move(scores.negative);
  return found;
}

std::vector<HeadId> name_movers(const NameMoving& found, const NameMoverCriteria& criteria) {
  std::vector<std::size_t> cells;
  for (std::size_t i = 0; i < found.lost.size(); ++i)
    if (found.lost[i] >= criteria.direct && found.attention[i] >= criteria.attention && found.copy[i] >= criteria.copy)
      cells.push_back(i);
  std::stable_sort(cells.begin(), cells.end(),
                   [&](std::size_t a, std::size_t b) { return found.lost[a] > found.lost[b]; });
  std::vector<HeadId> out;
  for (const std::size_t cell : cells)
    out.push_back({static_cast<int>(cell / static_cast<std::size_t>(found.direct.n_heads)),
                   static_cast<std::int64_t>(cell) % found.direct.n_heads});
  return out;
}

std::string no_task(const NameMoving& found, std::int64_t prompts) {
  if (found.logit_difference > 0.0) return {};
  return "the model does not prefer the indirect object (mean logit difference " +
         std::to_string(found.logit_difference) + " over " + std::to_string(prompts) + " prompts); there are no scores";
}

void add_ioi_evidence(const IoiSet& set, const LastTokenEffects& direct, const Engine& engine, const std::string& id,
                      DetectorResult& result) {
  std::vector<std::int64_t> index;
  for (std::size_t i = 0; i < set.task.cases.size(); ++i) {
    const IoiCase& item = set.task.cases[i];
    result.prompts.push_back(prompt_evidence(engine, id + "-" + std::to_string(i), item.clean_ids));
    result.prompts.push_back(prompt_evidence(engine, id + "-" + std::to_string(i) + "-abc", item.abc_ids));
    index.push_back(static_cast<std::int64_t>(i));
  }
  const auto column = [&](auto member) { return store::column_values(set.task.cases, member); };
  store::Table table;
  table.columns = {{"prompt", index, "1", "the prompts are " + id + "-N and, with other names, " + id + "-N-abc"},
                   {"order", column(&IoiCase::order), "", "ABBA: the indirect object comes first"},
                   {"io_position", column(&IoiCase::io_position), "token", "of the indirect object"},
                   {"s1_position", column(&IoiCase::s1_position), "token", "of the subject"},
                   {"s2_position", column(&IoiCase::s2_position), "token", "of the subject, when it acts"},
                   {"answer", column(&IoiCase::answer_id), "1", "token id of the indirect object"},
                   {"wrong", column(&IoiCase::wrong_id), "1", "token id of the subject"},
                   {"logit_difference", direct.clean, "logit", "answer - wrong"}};
  result.tables.push_back({"prompts", std::move(table)});
}

void add_head_evidence(const LastTokenEffects& effects, DetectorResult& result) {
  struct Row {
    std::int64_t layer = 0, head = 0, prompt = 0;
    double effect = 0.0;
  };
  std::vector<Row> rows;
  for (const HeadId& named : result.heads)
    for (std::int64_t i = 0; i < effects.n_pairs; ++i)
      rows.push_back({.layer = named.layer,
                      .head = named.head,
                      .prompt = i,
                      .effect = effects.effects[static_cast<std::size_t>(i * effects.n_layers * effects.n_heads) +
                                                result.index(named.layer, named.head)]});
  const auto column = [&](auto member) { return store::column_values(rows, member); };
  store::Table table;
  table.columns = {{"layer", column(&Row::layer), "1", "layer"},
                   {"head", column(&Row::head), "1", "head"},
                   {"prompt", column(&Row::prompt), "1", "index into prompts"},
                   {"effect", column(&Row::effect), "logit", "of path patching on the logit difference"}};
  result.tables.push_back({"effects", std::move(table)});
}

} // namespace headscope
