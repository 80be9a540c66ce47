// SPDX-License-Identifier: GPL-3.0-or-later
// Scores of detectors, layers by heads.
#include <algorithm>

#include "app/figures/restyle.h"
#include "app/result_figures/parts/common.h"
#include "app/result_figures/result_figures.h"

namespace headscope {
namespace {

using namespace parts;

// Says which conditions besides the threshold framed heads fulfil, and how many heads do not.
std::string conditions_text(const store::Attributes& attributes) {
  const auto texts = [&](const char* name) {
    const auto* value = store::find_attribute(attributes, name);
    const auto* list = value ? std::get_if<std::vector<std::string>>(value) : nullptr;
    return list ? *list : std::vector<std::string>{};
  };
  std::string text;
  for (const std::string& condition : texts("conditions"))
    text += (text.empty() ? "and with " : " and ") + condition;
  const std::size_t unnamed = texts("unnamed").size();
  if (text.empty() || unnamed == 0) return text;
  return text + "; " + std::to_string(unnamed) + (unnamed == 1 ? " other head scores" : " other heads score") +
         " as high without that";
}

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  return items_by_name(self, reader, "scores");
}

Result<ResultFigure> figure(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const store::DetectorScores scores, reader.scores(item.path));
  figures::HeatmapFigure map = head_map(scores.n_layers, scores.n_heads, scores.scores);
  const std::string title = store::text_attribute(scores.attributes, "title");
  map.title = title.empty() ? item.path : title;
  map.subtitle = joined({model_name(reader), scores.description, frames_text(scores.heads.size(), scores.threshold),
                         conditions_text(scores.attributes)});
  map.scale.label = item.path + " score";
  map.scale.units = shown_units(scores.units);
  figures::scale_by_sign(map);
  for (std::size_t i = 0; i < std::min(scores.heads.size(), most_framed); ++i)
    map.marks.push_back({scores.heads[i].layer, scores.heads[i].head, ""});
  return ResultFigure{.name = item.name, .figure = std::move(map)};
}

} // namespace

extern const ResultPart scores_part;
const ResultPart scores_part = {"scores", "scores of detectors", "/detectors", list, figure};

} // namespace headscope
