// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine/explanation_job.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "app/gui/engine/layer_attention.h"
#include "app/runs/known_mechanisms.h"
#include "core/mechanisms/explain.h"
#include "core/mechanisms/plan.h"
#include "core/model/guard.h"

namespace headscope::gui {
namespace {

using mechanisms::AttentionPlan;
using mechanisms::Explanation;
using mechanisms::PlanPart;

// Attends as the plan does, and asks the mechanism of one head.
class Asking : public LayeredAttention {
public:
  Asking(const AttentionPlan& plan, HeadId head, const RunControl& control, std::vector<Explanation>& out)
      : plan_(plan), head_(head), control_(control), out_(out) {}
  const char* name() const override { return plan_.name(); }
  LayerNeeds needs(int layer) const override { return plan_.needs(layer); }

  at::Tensor run_rows(const AttentionInput& input, const AttentionRows& rows) const override {
    control_.report("running the model", input.layer, head_.layer + 1);
    if (input.layer != head_.layer) return plan_.run_rows(input, rows);
    for (const PlanPart& part : plan_.parts(input.layer))
      if (const auto at = std::ranges::find(part.heads, std::int64_t{head_.head}); at != part.heads.end()) {
        const mechanisms::OpenPart open(input, rows, 0, part);
        out_ = mechanisms::explain_head(*part.mechanism, open.row.text, at - part.heads.begin());
      }
    return plan_.run_rows(input, rows);
  }

private:
  const AttentionPlan& plan_;
  HeadId head_;
  const RunControl& control_;
  std::vector<Explanation>& out_; // of one run on the engine's thread
};

} // namespace

Result<std::vector<Explanation>> explain_head(EngineState& state, const ExplanationRequest& request,
                                              const RunControl& control) {
  return guarded("asking a mechanism", [&]() -> Result<std::vector<Explanation>> {
    std::vector<Explanation> out;
    if (state.plan.empty()) return out;
    if (request.tokens->size() > longest_explained)
      return make_error(ErrorCode::unsupported,
                        "explanations are of prompts of up to " + std::to_string(longest_explained) + " tokens");
    HS_ASSIGN(const auto engine, open_engine(state));
    HS_ASSIGN(const auto plan, AttentionPlan::parse(state.plan, engine->config(), mechanisms_for(state.plan)));
    const Asking asking(*plan, request.head, control, out);
    HS_TRY(run_through(state, *request.tokens, request.head.layer,
                       ablation_before(request.ablation, request.head.layer), control,
                       [&](RunRequest& run) { run.attention = &asking; }));
    return out;
  });
}

} // namespace headscope::gui
