// SPDX-License-Identifier: GPL-3.0-or-later
// The effect of ablating each head, layers by heads.
#include <algorithm>

#include "app/result_figures/parts/common.h"

namespace headscope {
namespace {

using namespace parts;

// Says how many prompts an ablation's cells are means over; an interrupted run has fewer in some.
Result<std::string> prompts_text(const store::ResultReader& reader, const store::AblationSpec& spec) {
  HS_ASSIGN(const store::Array counts, reader.array("/ablation/" + spec.name + "/count"));
  std::int64_t least = 0, most = 0;
  for (const double count : counts.values) {
    if (count < 1) continue;
    const auto prompts = static_cast<std::int64_t>(count);
    least = least == 0 ? prompts : std::min(least, prompts);
    most = std::max(most, prompts);
  }
  const auto wanted = static_cast<std::int64_t>(spec.prompts.size());
  std::string text = "mean over ";
  if (least < wanted) text += (least < most ? std::to_string(least) + " to " : "") + std::to_string(most) + " of ";
  text += counted(wanted, "prompt");
  return reader.info().complete ? text : text + ", interrupted";
}

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  return items_by_name(self, reader, "ablation");
}

Result<ResultFigure> figure(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const store::Ablation ablation, reader.ablation(item.path));
  const store::AblationSpec& spec = ablation.spec;
  HS_ASSIGN(const std::string prompts, prompts_text(reader, spec));
  figures::HeatmapFigure map = head_map(spec.n_layers, spec.n_heads, ablation.mean);
  map.title = "Change of " + spec.metric + " with each head ablated (" + spec.method + ")";
  map.subtitle = joined({model_name(reader), prompts, "phase: " + spec.phase});
  map.scale.kind = figures::ScaleKind::diverging;
  map.scale.label = "ablated minus clean";
  map.scale.units = shown_units(spec.units);
  return ResultFigure{.name = item.name, .figure = std::move(map)};
}

} // namespace

extern const ResultPart ablation_part;
const ResultPart ablation_part = {"ablation", "heads ablated one at a time", "/ablation", list, figure};

} // namespace headscope
