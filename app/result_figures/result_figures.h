// SPDX-License-Identifier: GPL-3.0-or-later
// What of a result file can be drawn, as figures: one mapping for the command line and the window.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/figures/figure.h"
#include "app/figures/table.h"
#include "core/base/result.h"
#include "core/store/result_file.h"

namespace headscope {

enum class ResultPart { attention, scores, ablation, patching, masking, circuit };

// "attention", "scores", "ablation", "patching", "masking", "circuit", or "all"; invalid_argument for any other.
Result<std::vector<ResultPart>> parse_result_parts(const std::string& name);

struct NumberArray {
  std::vector<std::int64_t> shape;
  std::vector<float> values; // row-major
};

struct ResultFigure {
  std::string name; // for a file: "attention-18.6", "scores-induction"
  figures::HeatmapFigure map;
  std::optional<figures::PanelFigure> panels; // instead of the map, of patching by layer, position and head,
  std::optional<figures::LineFigure> lines;   // of a masking experiment,
  std::optional<figures::GraphFigure> graph;  // or of a circuit
  figures::Table table;                       // its numbers where they are not the map's rows and columns,
  std::optional<NumberArray> array;           // and those of more than two axes
};

// The names of everything the file has of a part, cheaply; figure_of() then reads one.
struct ResultItem {
  ResultPart part = ResultPart::scores;
  std::string group;     // detector, ablation, patching, masking, graph or prompt
  std::size_t index = 0; // attention: the head's place in the file
  std::string name;
};
Result<std::vector<ResultItem>> list_items(const store::ResultReader& reader, const std::vector<ResultPart>& parts);
Result<ResultFigure> figure_of(const store::ResultReader& reader, const ResultItem& item);

// A map of scores frames this many heads at most; the subtitle says of how many, and of which ("" without any).
constexpr std::size_t most_framed = 10;
std::string frames_text(std::size_t heads, std::optional<double> threshold);

// Where a figure comes from: model, SHA-256, versions, command, file.
figures::Provenance provenance_of(const store::ResultReader& reader, const std::string& file, const ResultItem& item);

} // namespace headscope
