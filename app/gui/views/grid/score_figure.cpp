// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/grid/score_figure.h"

#include "app/gui/models/head_filter.h"
#include "app/result_figures/result_figures.h"

namespace headscope::gui {

figures::HeatmapFigure score_figure(const HeadScores& scores) {
  figures::HeatmapFigure map;
  map.title = scores.title;
  map.subtitle = scores.description;
  map.rows = scores.n_layers;
  map.cols = scores.n_heads;
  map.values = scores.values;
  map.x_axis = "head";
  map.y_axis = "layer";
  map.scale.kind = scores.diverging ? figures::ScaleKind::diverging : figures::ScaleKind::sequential;
  map.scale.label = scores.title;
  map.scale.units = scores.units == "1" ? "" : scores.units;
  map.square_cells = false;
  map.annotate_values = true;
  if (!scores.threshold) return map;
  std::size_t above = 0;
  for (const HeadId head : ranked_heads(scores)) {
    if (static_cast<double>(scores.at(head)) < *scores.threshold) break;
    if (above++ < most_framed) map.marks.push_back({head.layer, head.head, ""});
  }
  if (above > 0) map.subtitle += (map.subtitle.empty() ? "" : ", ") + frames_text(above, scores.threshold);
  return map;
}

} // namespace headscope::gui
