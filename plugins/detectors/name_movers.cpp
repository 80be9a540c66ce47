// SPDX-License-Identifier: GPL-3.0-or-later
// Name mover, negative name mover and backup name mover heads (Wang et al. 2211.00593).
#include <limits>

#include "core/model/guard.h"
#include "plugins/detectors/builtin.h"
#include "plugins/detectors/evidence.h"
#include "plugins/detectors/ioi_heads.h"

namespace headscope {
namespace {

enum class Role { mover, negative, backup };

struct Kind {
  Role role;
  const char *id, *title, *description;
};

constexpr Kind kinds[] = {
    {Role::mover, "name_mover", "Name mover heads",
     "Share of the logit difference between indirect object and subject that is lost when the head's direct path to "
     "the last token's logits is patched from a prompt with other names; name movers attend to the indirect object and "
     "copy it"},
    {Role::negative, "negative_name_mover", "Negative name mover heads",
     "Share of the logit difference between indirect object and subject that is gained when the head's direct path to "
     "the last token's logits is patched from a prompt with other names; negative name movers attend to the indirect "
     "object and write against it"},
    {Role::backup, "backup_name_mover", "Backup name mover heads",
     "How much more of the logit difference between indirect object and subject goes with the head's direct path to "
     "the last token's logits once the name movers are knocked out"},
};

class NameMoverDetector : public Detector {
public:
  explicit NameMoverDetector(const Kind& kind) : kind_(kind) {}

  std::string id() const override { return kind_.id; }
  std::string title() const override { return kind_.title; }
  std::string description() const override { return kind_.description; }
  std::string reference() const override { return "Wang et al. 2022, arXiv 2211.00593"; }

  std::vector<OptionSpec> options() const override {
    const NameMoverCriteria standard;
    std::vector<OptionSpec> specs = {
        {"threshold", standard.direct, "heads with at least this direct effect, in % of the logit difference", {}, 0.0},
        {"min_attention", standard.attention, "and at least this attention to the indirect object", {}, 0.0},
        {"min_copy",
         standard.copy,
         kind_.role == Role::negative ? "and at least this copy score with the sign of W_O turned are named"
                                      : "and at least this copy score are named",
         {},
         0.0}};
    for (OptionSpec& spec : ioi_options())
      specs.push_back(std::move(spec));
    return specs;
  }

  Status check(const Engine& engine) const override { return check_ioi(engine, id()); }

  Result<DetectorResult> run(const DetectorRun& run) const override {
    return guarded("finding " + id() + " heads", [&] { return measure(run); });
  }

private:
  Result<DetectorResult> measure(const DetectorRun& run) const {
    HS_ASSIGN(const IoiSet set, ioi_set(run));
    HS_ASSIGN(const NameMoving found, name_moving(run, set));
    DetectorResult result = empty_result(run.engine);
    result.description = kind_.description;
    result.units = "%";
    result.threshold = run.options.number("threshold");
    result.message = no_task(found, found.direct.n_pairs);
    result.findings = {{"prompts", found.direct.n_pairs},
                       {"logit_difference", found.logit_difference},
                       {"accuracy", found.accuracy},
                       {"names_dropped", static_cast<std::int64_t>(set.task.dropped.size())}};
    result.maps = {
        {"attention", "mean attention from the last token to the indirect object", "1", as_floats(found.attention)},
        {"copy_score", "share of names that the head's OV circuit puts among the largest logits", "1",
         as_floats(found.copy)},
        {"negative_copy_score", "the same with the sign of W_O turned", "1", as_floats(found.negative)}};
    add_ioi_evidence(set, found.direct, run.engine, id(), result);
    if (!result.message.empty()) return result;
    HS_ASSIGN(const LastTokenEffects effects, score(run, set, found, result));
    name_heads_where(result, conditions(run, found, effects));
    add_head_evidence(effects, result);
    return result;
  }

  // A backup is not a name mover itself, and has a direct effect once those are ablated.
  std::vector<HeadCondition> conditions(const DetectorRun& run, const NameMoving& found,
                                        const LastTokenEffects& after) const {
    const bool negative = kind_.role == Role::negative;
    const std::vector<double>& copy = negative ? found.negative : found.copy;
    std::vector<HeadCondition> all = {
        {"attention", run.options.number("min_attention"), [&found](std::size_t i) { return found.attention[i]; }},
        {negative ? "negative_copy_score" : "copy_score", run.options.number("min_copy"),
         [&copy](std::size_t i) { return copy[i]; }}};
    if (kind_.role != Role::backup) return all;
    all.push_back({"no name mover itself: 1", 1.0, [&found](std::size_t i) {
                     for (const HeadId& head : name_movers(found, {}))
                       if (static_cast<std::size_t>(head.layer * found.direct.n_heads + head.head) == i) return 0.0;
                     return 1.0;
                   }});
    all.push_back({"after", run.options.number("threshold"),
                   [lost = percent_lost(after, found.logit_difference)](std::size_t i) { return lost[i]; }});
    return all;
  }

  // Fills in the scores; returns the effects that they are made from.
  Result<LastTokenEffects> score(const DetectorRun& run, const IoiSet& set, const NameMoving& found,
                                 DetectorResult& result) const {
    if (kind_.role != Role::backup) {
      result.scores = as_floats(found.lost);
      if (kind_.role == Role::negative)
        for (float& value : result.scores)
          value = -value;
      return found.direct;
    }
    LastTokenPaths paths;
    paths.through_mlps = run.options.flag("through_mlps");
    paths.knocked_out = name_movers(found, {});
    std::vector<std::string> names;
    for (const HeadId& head : paths.knocked_out)
      names.push_back(head_name(head));
    result.findings.push_back({"knocked_out", names});
    if (names.empty()) {
      result.message = "there are no name movers to back up";
      return found.direct;
    }
    HS_ASSIGN(LastTokenEffects after, patch_last_token_paths(run.engine, set.pairs, paths, run.control));
    const std::vector<double> lost = percent_lost(after, found.logit_difference);
    result.findings.push_back({"logit_difference_knocked_out", after.mean_clean()});
    result.maps.push_back({"before", "direct effect with the name movers in place", "%", as_floats(found.lost)});
    result.maps.push_back({"after", "direct effect with the name movers knocked out", "%", as_floats(lost)});
    for (std::size_t i = 0; i < lost.size(); ++i)
      result.scores[i] = static_cast<float>(lost[i] - found.lost[i]);
    return after;
  }

  const Kind& kind_;
};

} // namespace

std::unique_ptr<Detector> make_name_mover_detector(const std::string& id) {
  for (const Kind& kind : kinds)
    if (id == kind.id) return std::make_unique<NameMoverDetector>(kind);
  return nullptr;
}

} // namespace headscope
