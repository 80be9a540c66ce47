// SPDX-License-Identifier: GPL-3.0-or-later
// Merullo, Eickhoff and Pavlick 2310.08744: heads for indirect objects and for colored objects, what they share, and
// four heads adjusted. Which heads these are, and that their last token's attention is set to the two wrong colors, one
// half each, is from the authors' code (github.com/jmerullo/circuit_reuse).
#include <algorithm>
#include <cmath>
#include <set>

#include "app/methods/adjust/adjust_run.h"
#include "app/methods/base/values.h"
#include "app/methods/reproduce/reproduce_parts.h"
#include "core/circuits/last_token_paths.h"
#include "core/sweeps/sweep.h"
#include "core/vocabulary/head_id.h"

namespace headscope::methods {
namespace {

constexpr std::int64_t published_prompts = 1000;

// ---- The heads of a task

struct Stage {
  std::vector<double> effects; // 100 (LD' - LD) / (LD_corrupted - LD) [layer, head]; NaN: before no receiver
  std::vector<HeadId> top;     // the top 2 % by size, strongest first
};

struct TaskHeads {
  TaskSet task;
  Stage direct, queries; // patched into the logits; into the last token's queries of the first stage's top heads
  double clean = 0.0, corrupted = 0.0;

  std::set<HeadId> heads() const {
    std::set<HeadId> out(direct.top.begin(), direct.top.end());
    out.insert(queries.top.begin(), queries.top.end());
    return out;
  }
};

// The logit difference of the clean prompts' answers on the corrupted prompts.
Result<double> corrupted_difference(const Engine& engine, const std::vector<PatchPair>& pairs,
                                    const CancelToken& cancel) {
  constexpr std::size_t at_once = 16;
  double sum = 0.0;
  for (std::size_t begin = 0; begin < pairs.size(); begin += at_once) {
    TokenRows rows;
    std::vector<Answers> answers;
    for (std::size_t i = begin; i < std::min(begin + at_once, pairs.size()); ++i) {
      rows.push_back(pairs[i].corrupt);
      answers.push_back(pairs[i].answers);
    }
    HS_ASSIGN(const at::Tensor logits, last_logits(engine, rows, cancel));
    HS_ASSIGN(const at::Tensor values, metric_values(MetricKind::logit_diff, logits, answers));
    sum += values.sum().item<double>();
  }
  return sum / static_cast<double>(pairs.size());
}

Stage stage_of(const LastTokenEffects& found, double corrupted) {
  Stage stage;
  const double clean = found.mean_clean();
  for (const double effect : found.mean_effects())
    stage.effects.push_back(100.0 * effect / (corrupted - clean));
  std::vector<std::size_t> order = strongest_first(stage.effects, Rank::by_size);
  const auto heads = static_cast<std::size_t>(found.n_heads);
  order.resize(std::min(order.size(), (stage.effects.size() + 49) / 50));
  for (const std::size_t at : order)
    stage.top.push_back({static_cast<int>(at / heads), static_cast<std::int64_t>(at % heads)});
  return stage;
}

Result<TaskHeads> heads_of(const Engine& engine, const TaskRequest& request, const Context& context) {
  TaskHeads out;
  HS_ASSIGN(out.task, make_task(*engine.model().tokenizer, request));
  const std::vector<PatchPair> pairs = out.task.pairs();
  context.begin_step();
  HS_ASSIGN(out.corrupted, corrupted_difference(engine, pairs, context.control().cancel));
  LastTokenPaths paths;
  HS_ASSIGN(const LastTokenEffects direct, patch_last_token_paths(engine, pairs, paths, context.control()));
  out.clean = direct.mean_clean();
  out.direct = stage_of(direct, out.corrupted);
  paths.queries = out.direct.top;
  context.begin_step();
  HS_ASSIGN(const LastTokenEffects queries, patch_last_token_paths(engine, pairs, paths, context.control()));
  out.queries = stage_of(queries, out.corrupted);
  context.finish_progress();
  return out;
}

std::string names_of(const std::vector<HeadId>& heads) {
  std::string text;
  for (const HeadId& head : heads)
    text += (text.empty() ? "" : " ") + head_name(head);
  return text.empty() ? "none" : text;
}

void add_overlap(const TaskHeads& ioi, const TaskHeads& objects, std::vector<ReproducedRow>& rows) {
  const std::set<HeadId> first = ioi.heads(), second = objects.heads();
  std::vector<HeadId> both;
  std::set_intersection(first.begin(), first.end(), second.begin(), second.end(), std::back_inserter(both));
  rows.push_back({"heads of the indirect-object circuit", "32", std::ssize(first),
                  "top 2 % of each of two stages; published: of more stages"});
  rows.push_back({"heads of the colored-object circuit", "", std::ssize(second), {}});
  rows.push_back({"heads of both", "25 of 32 (78 %)", share_text(std::ssize(both), first.size()), names_of(both)});
  rows.push_back({"indirect objects: into the logits", "19.1 and mover heads", names_of(ioi.direct.top), {}});
  rows.push_back({"colored objects: into the logits", "", names_of(objects.direct.top), {}});
  rows.push_back({"indirect objects: into the queries of those", "12.3 13.4 13.13", names_of(ioi.queries.top), {}});
  rows.push_back({"colored objects: into the queries of those", "11.6 11.7 12.15", names_of(objects.queries.top), {}});
}

// ---- Adjusting heads

struct Chosen {
  std::vector<HeadId> inhibition, negative;
};

// The head that helps most on indirect objects while its OV circuit writes against the names that it attends to.
Result<std::vector<HeadId>> negative_mover(const Engine& engine, const TaskHeads& ioi, const Context& context) {
  HS_ASSIGN(const auto found, detected(engine, "name_mover", {"name_mover.prompts=2"}, {}, context));
  if (!found) return std::vector<HeadId>{};
  const auto map = [&](const char* name) -> const std::vector<float>* {
    for (const ScoreMap& each : found->maps)
      if (each.name == name) return &each.values;
    return nullptr;
  };
  const std::vector<float>*copy = map("copy_score"), *against = map("negative_copy_score");
  std::vector<HeadId> best;
  double most = 0.0;
  for (std::size_t i = 0; copy && against && i < ioi.direct.effects.size(); ++i) {
    const double effect = ioi.direct.effects[i];
    if (!((*against)[i] > (*copy)[i]) || !(effect > most)) continue;
    most = effect;
    const auto heads = static_cast<std::size_t>(engine.config().n_heads);
    best = {{static_cast<int>(i / heads), static_cast<std::int64_t>(i % heads)}};
  }
  return best;
}

Result<Chosen> choose(const Engine& engine, const TaskHeads& ioi, bool published, const Context& context) {
  if (published) return Chosen{{{12, 3}, {13, 4}, {13, 13}}, {{19, 1}}};
  Chosen out;
  out.inhibition = ioi.queries.top;
  out.inhibition.resize(std::min<std::size_t>(3, out.inhibition.size()));
  HS_ASSIGN(out.negative, negative_mover(engine, ioi, context));
  std::erase_if(out.negative, [&](const HeadId& head) {
    return std::find(out.inhibition.begin(), out.inhibition.end(), head) != out.inhibition.end();
  });
  return out;
}

std::vector<HeadAdjustment> towards_wrong(const std::vector<HeadId>& heads) {
  std::vector<HeadAdjustment> out;
  for (const HeadId& head : heads) {
    out.emplace_back();
    out.back().head = head;
    out.back().steer_to = "wrong";
  }
  return out;
}

double controls_mean(const AdjustmentResult& found, double (AdjustmentResult::*mean)(std::size_t) const) {
  double sum = 0.0;
  for (std::size_t i = 2; i < found.variants.size(); ++i)
    sum += (found.*mean)(i) / static_cast<double>(found.variants.size() - 2);
  return sum;
}

Status add_adjusted(const Engine& engine, const Chosen& chosen, const std::vector<AdjustmentPrompt>& prompts,
                    const Context& context, Reproduction& out) {
  std::vector<HeadId> all = chosen.inhibition;
  all.insert(all.end(), chosen.negative.begin(), chosen.negative.end());
  AdjustmentOptions alone;
  alone.seeds = 0;
  const auto percent = [](double share) { return number(100.0 * share); };
  HS_ASSIGN(const AdjustmentResult found, adjust_heads(engine, prompts, towards_wrong(all), {}, context.control()));
  out.complete = out.complete && found.complete;
  out.rows.push_back({"colored objects: accuracy in %", "49.6", percent(found.mean_accuracy(0)),
                      "of " + std::to_string(found.n_prompts) + " prompts, among all tokens"});
  const struct {
    const char *what, *published;
    const std::vector<HeadId>* heads;
  } parts[] = {{"with the negative mover steered to the wrong colors", "78.1", &chosen.negative},
               {"with the inhibition heads steered", "81.5", &chosen.inhibition}};
  for (const auto& part : parts) {
    if (part.heads->empty()) {
      out.rows.push_back({part.what, part.published, nullptr, "no such head was found"});
      continue;
    }
    HS_ASSIGN(const AdjustmentResult some,
              adjust_heads(engine, prompts, towards_wrong(*part.heads), alone, context.control()));
    out.complete = out.complete && some.complete;
    out.rows.push_back({part.what, part.published, percent(some.mean_accuracy(1)), names_of(*part.heads)});
  }
  context.finish_progress();
  out.rows.push_back({"with all of them steered", "93.7", percent(found.mean_accuracy(1)), names_of(all)});
  std::int64_t spoilt = 0;
  for (std::size_t i = 0; i < prompts.size(); ++i)
    spoilt += found.accuracy[found.index(0, i)] == 1.0 && found.accuracy[found.index(1, i)] == 0.0 ? 1 : 0;
  out.rows.push_back({"prompts that this makes wrong", "0", spoilt, {}});
  out.rows.push_back({"with random heads of these layers steered", "",
                      percent(controls_mean(found, &AdjustmentResult::mean_accuracy)), "mean of 5 draws"});
  out.rows.push_back({"logit difference: as it is", "", number(found.mean_logit_diff(0)), {}});
  out.rows.push_back({"logit difference: all steered", "", number(found.mean_logit_diff(1)), {}});
  out.rows.push_back({"logit difference: random heads steered",
                      "",
                      number(controls_mean(found, &AdjustmentResult::mean_logit_diff)),
                      {}});
  return {};
}

} // namespace

Result<Reproduction> merullo2024(const Engine& engine, const ReproduceOptions& options, const Context& from) {
  const std::int64_t count = options.prompts.value_or(options.full ? published_prompts : 24);
  Reproduction out{"Merullo, Eickhoff and Pavlick 2024, arXiv 2310.08744, circuit component reuse",
                   std::to_string(count) +
                       " pairs of indirect objects (flip) and of one-shot colored objects (another object asked for); "
                       "path patching at the last token, effect 100 (LD' - LD) / (LD_corrupted - LD)",
                   {{"GPT-2 medium", 24, 16, 1024}},
                   {}};
  if (!engine.model().tokenizer) return make_error(ErrorCode::unsupported, "has no tokenizer", {}, "model");
  Context context = from;
  context.steps = 4;
  HS_ASSIGN(const TaskHeads ioi, heads_of(engine, {"ioi", "flip", {}, count}, context));
  HS_ASSIGN(const TaskHeads objects, heads_of(engine, {"colored_objects", "object", "published", count}, context));
  out.rows = {{"indirect objects: logit difference, clean / corrupted",
               "",
               fixed(ioi.clean, 3) + " / " + fixed(ioi.corrupted, 3),
               {}},
              {"colored objects: logit difference, clean / corrupted",
               "",
               fixed(objects.clean, 3) + " / " + fixed(objects.corrupted, 3),
               {}}};
  add_overlap(ioi, objects, out.rows);
  HS_ASSIGN(const Chosen chosen, choose(engine, ioi, is_published(engine.config(), out.published), from));
  const std::int64_t asked = options.full ? count : 4 * count;
  HS_ASSIGN(const TaskSet task,
            make_task(*engine.model().tokenizer, {"colored_objects", "object", "published", asked}));
  HS_ASSIGN(const auto prompts, adjustment_prompts(*engine.model().tokenizer, task, towards_wrong({{0, 0}})));
  HS_TRY(add_adjusted(engine, chosen, prompts, from, out));
  return out;
}

} // namespace headscope::methods
