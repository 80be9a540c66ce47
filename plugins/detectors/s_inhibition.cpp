// SPDX-License-Identifier: GPL-3.0-or-later
// S-inhibition heads (Wang et al. 2211.00593), which write what the queries of name movers read.
#include <cmath>

#include "core/model/guard.h"
#include "plugins/detectors/builtin.h"
#include "plugins/detectors/evidence.h"
#include "plugins/detectors/ioi_heads.h"

namespace headscope {
namespace {

constexpr const char* summary =
    "Share of the logit difference between indirect object and subject that is lost when the head's path into the name "
    "movers' queries at the last token is patched from a prompt with other names";

class SInhibitionDetector : public Detector {
public:
  std::string id() const override { return "s_inhibition"; }
  std::string title() const override { return "S-inhibition heads"; }
  std::string description() const override { return summary; }
  std::string reference() const override { return "Wang et al. 2022, arXiv 2211.00593"; }

  std::vector<OptionSpec> options() const override {
    std::vector<OptionSpec> specs = {
        {"threshold", 5.0, "heads with at least this effect, in % of the logit difference", {}, 0.0},
        {"min_attention", 0.1, "and at least this attention to the subject where it acts are named", {}, 0.0}};
    for (OptionSpec& spec : ioi_options())
      specs.push_back(std::move(spec));
    return specs;
  }

  Status check(const Engine& engine) const override { return check_ioi(engine, id()); }

  Result<DetectorResult> run(const DetectorRun& run) const override {
    return guarded("finding S-inhibition heads", [&] { return measure(run); });
  }

private:
  // Says why there are no scores; empty when there are.
  static std::string obstacle(const NameMoving& movers, bool none) {
    std::string reason = no_task(movers, movers.direct.n_pairs);
    return reason.empty() && none ? "the model has no name movers to inhibit" : reason;
  }

  Result<DetectorResult> measure(const DetectorRun& run) const {
    HS_ASSIGN(const IoiSet set, ioi_set(run));
    HS_ASSIGN(const NameMoving movers, name_moving(run, set));
    HS_ASSIGN(const std::vector<double> attention,
              attention_from_last(run.engine, set.prompts(), set.positions(&IoiCase::s2_position), run.control.cancel));
    LastTokenPaths paths;
    paths.through_mlps = run.options.flag("through_mlps");
    paths.queries = name_movers(movers, {});
    DetectorResult result = empty_result(run.engine);
    result.description = summary;
    result.units = std::string("%"); // GCC 12 warns wrongly about a literal
    result.threshold = run.options.number("threshold");
    std::vector<std::string> names;
    for (const HeadId& head : paths.queries)
      names.push_back(head_name(head));
    result.findings = {{"prompts", movers.direct.n_pairs},
                       {"logit_difference", movers.logit_difference},
                       {"accuracy", movers.accuracy},
                       {"name_movers", names}};
    result.maps = {
        {"attention", "mean attention from the last token to the subject where it acts", "1", as_floats(attention)}};
    add_ioi_evidence(set, movers.direct, run.engine, id(), result);
    result.message = obstacle(movers, names.empty());
    if (!result.message.empty()) return result;
    HS_ASSIGN(const LastTokenEffects effects, patch_last_token_paths(run.engine, set.pairs, paths, run.control));
    result.scores = as_floats(percent_lost(effects, movers.logit_difference));
    name_heads_where(result,
                     {{"attention", run.options.number("min_attention"), [&](std::size_t i) { return attention[i]; }}});
    add_head_evidence(effects, result);
    return result;
  }
};

} // namespace

std::unique_ptr<Detector> make_s_inhibition_detector() { return std::make_unique<SInhibitionDetector>(); }

} // namespace headscope
