// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine/patch_position.h"

#include <ATen/ATen.h>

#include "core/model/guard.h"
#include "core/sweeps/patch_plan.h"

namespace headscope::gui {
namespace {

Status measure_unpatched(const Engine& engine, const PatchPlan& plan, const Judge& judge, const CancelToken& cancel,
                         PatchingResult& result) {
  for (const bool clean : {true, false}) {
    HS_ASSIGN(const at::Tensor logits, last_logits(engine, clean ? plan.clean : plan.corrupt, cancel));
    HS_ASSIGN((clean ? result.clean : result.corrupt), judge.values(logits, {0}));
  }
  return check_difference(result);
}

Status patch_layers(const Engine& engine, const PatchPlan& plan, std::int64_t position, const PatchingOptions& options,
                    const RunControl& control, const PatchingCallback& callback, PatchingResult& result) {
  HS_ASSIGN(const Judge judge, judge_of(engine, plan, {0}, control.cancel));
  HS_TRY(measure_unpatched(engine, plan, judge, control.cancel, result));
  std::vector<PatchCell> cells = plan.cells(std::ssize(plan.clean.front()));
  std::erase_if(cells, [&](const PatchCell& cell) { return cell.position_index != position; });
  LayerWalk source(engine, plan.source(), control.cancel), destination(engine, plan.destination(), control.cancel);
  std::int64_t done = 0;
  for (const int layer : plan.layers) {
    HS_ASSIGN(const at::Tensor activation, source.capture({plan.site, layer}));
    std::vector<Variant> variants;
    for (const PatchCell& cell : cells)
      variants.push_back({0, plan.intervention(layer, cell, activation.select(0, 0))});
    HS_ASSIGN(const std::vector<double> values,
              measure_variants(engine, destination, layer, variants, judge,
                               tokens_per_run(options.tokens_per_run, engine), control.cancel));
    for (std::size_t i = 0; i < cells.size(); ++i)
      keep_patched(result, 0, layer, cells[i], values[i]);
    done += std::ssize(cells);
    control.report("patching activations", done, std::ssize(cells) * std::ssize(plan.layers));
    if (callback) HS_TRY(callback({{0}, layer, &result}));
  }
  return {};
}

} // namespace

Result<PatchingResult> patch_heads_at(const Engine& engine, const PatchPair& pair, PatchingOptions options,
                                      std::int64_t position, const RunControl& control,
                                      const PatchingCallback& callback) {
  options.axes = PatchAxes::layer_position_head;
  return guarded("patching activations", [&]() -> Result<PatchingResult> {
    HS_ASSIGN(const PatchPlan plan, plan_patching(engine, {pair}, options));
    if (position < 0 || position >= std::ssize(pair.clean))
      return make_error(ErrorCode::invalid_argument, "the prompts have no such position", {}, "position");
    PatchingResult result = empty_result(engine, plan);
    const Status status = patch_layers(engine, plan, position, options, control, callback, result);
    if (!status.ok() && !was_cancelled(status.error())) return status.error();
    result.complete = status.ok();
    return result;
  });
}

} // namespace headscope::gui
