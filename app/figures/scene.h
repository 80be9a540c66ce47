// SPDX-License-Identifier: GPL-3.0-or-later
// A figure with the place of every part: made by layout, drawn by paint. All sizes are CSS pixels. Internal.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/figures/color_map.h"
#include "app/figures/figure.h"
#include "app/figures/style.h"

namespace headscope::figures {

struct SceneText {
  TextBox box;
  FontRole font = FontRole::tick;
  Ink ink = Ink::text;
};

struct SceneLine {
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  bool dashed = false;
  Ink ink = Ink::muted;
};

struct SceneMap {
  const HeatmapFigure* figure = nullptr;
  HeatmapPlace place;
  ResolvedScale scale;
  bool separate_cells = false; // drawn one by one with a gap between; else as one raster image
  int decimals = -1;           // of the values written into cells; -1: none
  bool cell_texts = false;     // the figure's texts are written into cells instead
};

struct SceneBar {
  Rect box;
  ResolvedScale scale;
  std::optional<Rect> nan_swatch;
};

// The texts, lines, map and bar of a part of the page, which are moved together.
struct Fragment {
  std::vector<SceneText> texts;
  std::vector<SceneLine> lines;
  std::vector<SceneLine> grid; // behind everything
  std::vector<SceneMap> maps;
  std::vector<SceneBar> bars;

  void move(double dx, double dy);
  void append(Fragment&& other);
};

struct AxisMap {
  double low = 0, high = 1;
  bool log = false;
  double from = 0, to = 1; // pixels of low and high

  double pixel(double value) const;
};

struct SceneChart {
  const BarFigure* bars = nullptr; // one of the two
  const LineFigure* lines = nullptr;
  Rect plot;
  AxisMap x, y;
  std::vector<Rect> legend_keys; // one for each series, empty for those without a name
};

struct SceneGraph {
  const GraphFigure* figure = nullptr;
  std::vector<Rect> nodes;
  double scale = 1;   // drawn pixels in one of the figure
  double largest = 1; // |value| of full width and colour
  struct Key {        // of the legend: a line in the middle of the box
    Rect box;
    std::optional<double> value; // none: in the colour of texts
    EdgeLine line = EdgeLine::solid;
    bool tie = false;
  };
  std::vector<Key> keys;
};

struct Scene {
  double width = 0, height = 0;
  double content_top = 0; // below the title
  Fragment content;
  std::optional<SceneChart> chart;
  std::optional<SceneGraph> graph;
};

// The scene refers to the figure, which must outlive it.
Result<Scene> make_scene(const Figure& figure, const RenderOptions& options);

// ---- Parts of the layout

constexpr double page_margin = 20;
constexpr double label_gap = 5; // between an axis and its labels

void add_text(Fragment& to, TextBox::Role role, FontRole font, const std::string& text, double x, double y,
              double angle = 0, Ink ink = Ink::text);
// Adds lines of text turned by -90 degrees, read upwards, centred on y; x is the left edge. Returns their width.
double add_upward(Fragment& to, TextBox::Role role, const std::vector<std::string>& lines, double x, double y);

// A category axis with n places of the given pitch, labels thinned and turned until none touch.
struct CategoryAxis {
  double extent = 0;        // across the axis
  double overhang_low = 0;  // beyond the first place's edge, along the axis
  double overhang_high = 0; // beyond the last place's edge
  bool positions = false;   // too many for their names: numbers instead
};
CategoryAxis add_x_labels(Fragment& to, const std::vector<std::string>& names, std::int64_t n, double pitch, double y);
CategoryAxis add_y_labels(Fragment& to, const std::vector<std::string>& names, std::int64_t n, double pitch);

// A map with its axes; the origin is the cells' top left corner, and the extents are the space around the cells.
struct MapBlock {
  Fragment content;
  double left = 0, top = 0, right = 0, bottom = 0;
  double cells_width = 0, cells_height = 0;
};
struct MapRoom {
  double width = 640, height = 640; // for the cells
  double dpr = 2;
  bool panel = false; // draws its own title
};
Status check_map(const HeatmapFigure& figure);
bool masked(const HeatmapFigure& figure, std::int64_t row, std::int64_t col);
bool has_nan(const HeatmapFigure& figure);
MapBlock make_map(const HeatmapFigure& figure, const ResolvedScale& scale, const MapRoom& room);

// A colour bar with its labels, top left at the origin.
struct BarBlock {
  Fragment content;
  Rect bar;
  double width = 0, height = 0;
};
BarBlock make_color_bar(const ColorScale& wanted, const ResolvedScale& scale, double height, bool nan_legend);

// Bars and lines, without the page's title.
struct ChartBlock {
  Fragment content;
  SceneChart chart;
  double width = 0, height = 0;
};
Result<ChartBlock> make_chart(const BarFigure& figure, double width);
Result<ChartBlock> make_chart(const LineFigure& figure, double width);

// Nodes, their bands and the legend, without the page's title. `width` is that of the whole block; 0: natural size.
struct GraphBlock {
  Fragment content;
  SceneGraph graph;
  double width = 0, height = 0;
};
Result<GraphBlock> make_graph(const GraphFigure& figure, double width);

} // namespace headscope::figures
