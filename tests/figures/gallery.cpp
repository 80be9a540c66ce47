// SPDX-License-Identifier: GPL-3.0-or-later
// Writes every kind of figure into a folder, to be looked at and for read_files.py.
//
// figures_gallery FOLDER
//
// NAME.png, NAME.svg and NAME.pdf come with NAME.layout.json: where things are, and what was drawn.
#include <chrono>
#include <cstdio>
#include <fstream>

#include <nlohmann/json.hpp>

#include "app/figures/runtime.h"
#include "app/figures/table.h"
#include "tests/figures/samples.h"

using namespace headscope;
using namespace headscope::figures;
using nlohmann::json;

namespace {

bool failed = false;

void expect(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.error().to_string().c_str());
  failed = true;
}

json rect(const Rect& r) { return {r.x, r.y, r.width, r.height}; }

json describe(const FigureLayout& layout, const RenderOptions& options) {
  json out = {
      {"width", layout.width}, {"height", layout.height}, {"scale", options.scale}, {"plot", rect(layout.plot)}};
  for (const HeatmapPlace& map : layout.heatmaps) {
    out["heatmaps"].push_back({{"cells", rect(map.cells)},
                               {"rows", map.rows},
                               {"cols", map.cols},
                               {"color_bar", rect(map.color_bar)},
                               {"low", map.low},
                               {"high", map.high}});
  }
  for (const TextBox& text : layout.texts)
    out["texts"].push_back({{"text", text.text}, {"role", static_cast<int>(text.role)}, {"angle", text.angle}});
  return out;
}

void write(const std::string& folder, const std::string& name, const Figure& figure, RenderOptions options = {}) {
  options.overwrite = true;
  for (const Format format : {Format::png, Format::svg, Format::pdf}) {
    const std::string path = folder + "/" + name + "." + to_string(format);
    const auto start = std::chrono::steady_clock::now();
    expect(render(figure, path, format, options, samples::provenance()));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    std::printf("%-24s %s %7.3f s %9lld bytes\n", name.c_str(), to_string(format), took.count(),
                static_cast<long long>(file.tellg()));
  }
  const auto where = layout(figure, options);
  if (!where.ok()) return expect(where.error());
  std::ofstream(folder + "/" + name + ".layout.json") << describe(*where, options).dump(1);
}

void write_numbers(const std::string& folder, const std::string& name, const HeatmapFigure& map) {
  const WriteOptions overwrite{true};
  const auto table = to_table(map);
  if (!table.ok()) return expect(table.error());
  expect(write_csv(folder + "/" + name + ".csv", *table, samples::provenance(), overwrite));
  expect(write_npy(folder + "/" + name + ".npy", {map.rows, map.cols}, map.values, samples::provenance(), overwrite));
}

HeatmapFigure holes() {
  HeatmapFigure map = samples::formula_map(9, 14);
  map.title = "Missing and infinite values";
  map.values[5] = samples::not_a_number;
  map.values[20] = -samples::inf;
  map.values[21] = samples::inf;
  map.annotate_values = true;
  return map;
}

HeatmapFigure filled(std::int64_t n, float value) {
  HeatmapFigure map = samples::attention_map(n);
  map.title = "Filled with " + std::to_string(value);
  map.scale = {};
  map.scale.label = "score";
  std::fill(map.values.begin(), map.values.end(), value);
  return map;
}

void write_maps(const std::string& folder) {
  using namespace samples;
  const auto tokens = hard_tokens();
  write(folder, "tokens", with_tokens(attention_map(static_cast<std::int64_t>(tokens.size())), tokens));
  RenderOptions dark;
  dark.dark = true;
  write(folder, "tokens_dark", with_tokens(attention_map(static_cast<std::int64_t>(tokens.size())), tokens), dark);
  write(folder, "formula", formula_map(13, 17));
  write_numbers(folder, "formula", formula_map(13, 17));
  write_numbers(folder, "tokens", with_tokens(attention_map(static_cast<std::int64_t>(tokens.size())), tokens));
  for (const std::int64_t n : {1, 2, 60, 150, 300, 2048, 4096})
    write(folder, "attention_" + std::to_string(n), with_tokens(attention_map(n), words(n)));
  write(folder, "head_scores", head_scores(30, 9));
  write(folder, "head_scores_wide", head_scores(18, 4));
  write(folder, "holes", holes());
  write(folder, "all_nan", filled(12, not_a_number));
  write(folder, "all_nan_large", filled(200, not_a_number));
  write(folder, "constant", filled(12, 0.25F));
  write(folder, "all_minus_inf", filled(5, -inf));
  write(folder, "one_cell", formula_map(1, 1));
  write(folder, "thin", formula_map(3, 2000));
  HeatmapFigure log = attention_map(40);
  log.scale.low = 1e-4;
  log.scale.log = true;
  log.title = "A very long title that says what was measured, of which model, with which prompt, at which layer and in "
              "which head, and goes on for longer than anybody would read it, to see where it ends";
  write(folder, "log_scale", log);
}

void write_pages(const std::string& folder) {
  using namespace samples;
  write(folder, "panels", panels(6, 20));
  PanelFigure page;
  page.title = "Change of logit difference, each task";
  for (int i = 0; i < 9; ++i) {
    page.panels.push_back(head_scores(30, 9));
    page.panels.back().title = "Task " + std::to_string(i);
  }
  write(folder, "panels_scores", page);
  PanelFigure many = panels(270, 24);
  many.columns = 9;
  write(folder, "panels_30x9", many);
  PanelFigure own = panels(3, 12);
  own.shared_scale = false;
  own.panels[1] = head_scores(20, 9);
  write(folder, "panels_own_scale", own);
  write(folder, "bars", bars());
  write(folder, "histogram", histogram());
  write(folder, "lines", lines());
  LineFigure log = lines();
  log.log_y = true;
  log.rules.clear();
  log.series[0].y[3] = -1;
  RenderOptions dark;
  dark.dark = true;
  write(folder, "lines_log", log, dark);
  write(folder, "graph", graph());
  write(folder, "graph_dark", graph(), dark);
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: figures_gallery FOLDER\n");
    return 2;
  }
  const FigureRuntime runtime;
  write_maps(argv[1]);
  write_pages(argv[1]);
  return failed ? 1 : 0;
}
