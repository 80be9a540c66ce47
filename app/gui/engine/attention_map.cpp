// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine/attention_map.h"

#include <ATen/ATen.h>

#include "app/gui/engine/attention_plan.h"
#include "app/gui/engine/layer_attention.h"
#include "core/model/guard.h"

namespace headscope::gui {
namespace {

struct Part {
  std::shared_ptr<LayerAttention> layer, less; // less: what is taken off; null: nothing
  int head = 0;
};

Result<std::shared_ptr<LayerAttention>> layer_of(EngineState& state, const AttentionRequest& request, HeadId head,
                                                 const AblationInput& ablation, const std::string& plan,
                                                 const RunControl& control) {
  const std::shared_ptr<void> planned = under_plan(state, plan);
  return layer_attention(state, *request.tokens, head.layer, static_cast<int>(head.head), ablation, control);
}

Result<std::vector<Part>> parts_of(EngineState& state, const AttentionRequest& request, const RunControl& control) {
  if (request.heads.empty()) return make_error(ErrorCode::invalid_argument, "no head is selected");
  std::vector<Part> parts;
  for (const HeadId& head : request.heads) {
    Part part;
    HS_ASSIGN(part.layer, layer_of(state, request, head, request.ablation, request.plan, control));
    if (request.less == AttentionRequest::Less::clean) {
      HS_ASSIGN(part.less, layer_of(state, request, head, {}, request.plan, control));
    }
    if (request.less == AttentionRequest::Less::full) {
      HS_ASSIGN(part.less, layer_of(state, request, head, request.ablation, {}, control));
    }
    part.head = static_cast<int>(head.head);
    parts.push_back(std::move(part));
  }
  return parts;
}

at::Tensor weights_of(const Part& part, const Block& block) {
  const auto of = [&](LayerAttention& layer) {
    return head_weights(layer, part.head, block.q_begin, block.q_end, block.k_begin, block.k_end);
  };
  at::Tensor weights = of(*part.layer);
  if (part.less) weights.sub_(of(*part.less)).clamp_min_(lowest_difference);
  return weights;
}

ReadBlock reader_of(const std::vector<Part>& parts) {
  return [&parts](const Block& block, std::span<float> out) -> Status {
    at::Tensor mean;
    for (const Part& part : parts) {
      const at::Tensor weights = weights_of(part, block);
      mean = mean.defined() ? mean.add_(weights) : weights;
    }
    if (parts.size() > 1) mean.div_(static_cast<double>(parts.size()));
    at::from_blob(out.data(), {block.rows(), block.cols()}, at::kFloat).copy_(mean);
    return {};
  };
}

} // namespace

Result<Tile> attention_tile(EngineState& state, const AttentionRequest& request, TileKey key, const RunControl& control,
                            const std::function<void(Tile)>& partial) {
  return guarded("computing attention", [&]() -> Result<Tile> {
    HS_ASSIGN(const std::vector<Part> parts, parts_of(state, request, control));
    return pool_tile(request.shape(), key, reader_of(parts), control, partial);
  });
}

Result<UnitMass> attention_units(EngineState& state, const AttentionRequest& request,
                                 const std::vector<std::int64_t>& begins, const RunControl& control) {
  return guarded("computing attention", [&]() -> Result<UnitMass> {
    HS_ASSIGN(const std::vector<Part> parts, parts_of(state, request, control));
    return sum_units(request.shape(), begins, reader_of(parts), control);
  });
}

} // namespace headscope::gui
