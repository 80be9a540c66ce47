// SPDX-License-Identifier: GPL-3.0-or-later
// The figures of Headscope: what they hold, and how they become PNG, SVG or PDF files.
//
// One renderer serves the command line and the window. This header holds plain C++ types and no Qt, so it
// may be included together with torch headers. Equal input gives byte-equal files: no time stamp is written
// unless the provenance holds one.
//
// Before the first call a FigureRuntime (app/figures/runtime.h) must exist; without one every call fails
// with ErrorCode::internal. Calls may come from any thread, one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/result.h"

namespace headscope::figures {

// The origin of a figure: model, sha256, headscope version, command, file, date, … in this order.
// Written into the metadata of every file; never drawn.
struct Provenance {
  std::vector<std::pair<std::string, std::string>> entries;

  Provenance& add(std::string key, std::string value) {
    entries.emplace_back(std::move(key), std::move(value));
    return *this;
  }
};

enum class ScaleKind {
  sequential, // viridis: small values dark, large values bright
  diverging,  // vik: blue below the center, white at it, orange-brown above
};

enum class ColorMap {
  viridis, // dark to bright, through hues
  vik,     // of two hues, white between them
  gray,    // white to black, for paper
};

// How values become colours. Ends that are not set are taken from the data.
struct ColorScale {
  ScaleKind kind = ScaleKind::sequential;
  std::optional<ColorMap> map; // unset: viridis for a sequential scale, vik for a diverging one
  std::optional<double> low;
  std::optional<double> high;
  std::optional<double> center; // diverging only; unset: 0. Both arms get the same length
  bool cut = false;  // diverging with both ends: only from low to high is shown, in the colours of equal arms
  bool log = false;  // sequential only; values <= 0 are drawn as the lowest colour
  std::string label; // what the values are, e.g. "attention weight"
  std::string units; // e.g. "logits"; empty: none
};

// How several values that share one pixel become one.
enum class Reduction {
  strongest, // the value farthest from the scale's low end (sequential) or center (diverging): no stripe vanishes
  mean,
};

// A cell with an outline and, beside its row, a label. An empty label draws the outline alone.
struct Mark {
  std::int64_t row = 0;
  std::int64_t col = 0;
  std::string label;
};

// Cells that are drawn over with a tint and an outline; ends are one past the last.
struct Region {
  std::int64_t row_begin = 0, row_end = 0, col_begin = 0, col_end = 0;
  double strength = 1.0; // of the tint, 0 to 1
};

// A map of rows x cols values. Row 0 is at the top, column 0 at the left.
struct HeatmapFigure {
  std::string title;
  std::string subtitle; // what was measured: model, prompt, head
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::vector<float> values; // row by row, rows * cols of them; NaN is drawn hatched and named in the legend
  std::string x_axis;        // e.g. "key token"
  std::string y_axis;        // e.g. "query token"
  // One label for each column (row), or none: then 0, 1, 2, … Labels may be any bytes; see app/figures/token_label.h.
  std::vector<std::string> x_ticks;
  std::vector<std::string> y_ticks;
  bool causal_mask = false; // cells with col > row + cols - rows are left blank; needs cols >= rows
  ColorScale scale;
  bool annotate_values = false; // write each value into its cell where the cells are large enough
  // One text for each cell, or none: written instead of values, as token labels, shortened to fit.
  std::vector<std::string> cell_texts;
  bool square_cells = true; // false: cells may be up to twice as wide as high
  Reduction reduction = Reduction::strongest;
  std::vector<Mark> marks;
  std::vector<Region> regions;         // under a causal mask only their lower part is drawn
  std::vector<std::int64_t> row_lines; // drawn above these rows
  std::vector<std::int64_t> col_lines; // drawn before these columns
};

// Several maps on one page.
struct PanelFigure {
  std::string title;
  std::string subtitle;
  std::vector<HeatmapFigure> panels;
  int columns = 0;          // 0: chosen from the number of panels
  bool shared_scale = true; // one colour bar, whose scale is the first panel's stretched over all panels' data
};

struct Series {
  std::string name;               // empty: not in the legend
  std::vector<double> x;          // LineFigure only; empty: 0, 1, 2, …
  std::vector<double> y;          // NaN: a gap
  std::vector<double> error_low;  // distance below y, or empty
  std::vector<double> error_high; // distance above y, or empty: as error_low
};

// A dashed line across the plot at y (x for a vertical one), e.g. a threshold.
struct Rule {
  double at = 0;
  std::string label;
  bool vertical = false;
};

// Bars by category, or a histogram: with bin_edges (one more than bars) the x axis is numeric.
struct BarFigure {
  std::string title;
  std::string subtitle;
  std::string x_axis;
  std::string y_axis;
  std::vector<std::string> categories; // as tick labels of a map; empty: 0, 1, 2, …
  std::vector<double> bin_edges;       // ascending; excludes categories
  std::vector<Series> series;          // side by side, all of the same length
  std::vector<Rule> rules;
};

struct LineFigure {
  std::string title;
  std::string subtitle;
  std::string x_axis;
  std::string y_axis;
  std::vector<Series> series;
  bool log_x = false;
  bool log_y = false;
  bool markers = true;
  std::vector<Rule> rules;
};

enum class NodeKind { head, mlp, input, output, group, other };

// A node with its place; x goes to the right, y down, in CSS pixels at the figure's natural size.
struct FigureNode {
  std::string label;
  NodeKind kind = NodeKind::other;
  double x = 0, y = 0; // of its centre
  double width = 40, height = 20;
  bool faded = false;  // no edge of it is drawn
  bool marked = false; // with an outline in the accent colour
};

enum class EdgeLine { solid, dashed, dotted };

struct FigureEdge {
  std::size_t src = 0, dst = 0; // indices of nodes
  double value = 0;             // its sign and size are its colour and width
  EdgeLine line = EdgeLine::solid;
  double port = 0; // where on its side of `dst` it ends: -1 left (top), 0 in the middle, 1 right (bottom)
};

// Two nodes that belong together: a thin line without a direction or a value.
struct FigureTie {
  std::size_t a = 0, b = 0; // indices of nodes
};

// A text such as the name of a layer, on the left of the nodes (y), or with `across` above them (x).
struct FigureBand {
  std::string label;
  double at = 0;
};

// Nodes and directed edges, e.g. a circuit. Edges leave a node towards higher layers: upwards, or to the right.
struct GraphFigure {
  std::string title;
  std::string subtitle;
  std::vector<FigureNode> nodes;
  std::vector<FigureEdge> edges; // the strongest is drawn last
  std::vector<FigureBand> bands;
  bool rightwards = false;
  double largest = 0; // |value| of full width and colour; 0: the largest of the edges
  std::string label;  // what an edge's value is
  std::string units;
  std::vector<std::pair<EdgeLine, std::string>> line_names = {}; // what each kind of line is, for the legend
  std::vector<FigureTie> ties = {};
  std::string tie_name = {}; // what a tie is, for the legend
};

using Figure = std::variant<HeatmapFigure, PanelFigure, BarFigure, LineFigure, GraphFigure>;

enum class Format { png, svg, pdf };

// The format's name and file extension: "png", "svg", "pdf".
const char* to_string(Format format);
Result<Format> parse_format(const std::string& name);

struct RenderOptions {
  double width = 0;  // of the whole picture, in CSS pixels (1/96 inch), 120…20000; 0: chosen from the content
  double scale = 2;  // device pixels in a CSS pixel, 0.25…16: a PNG is width * scale pixels wide, at 96 * scale dpi
  bool dark = false; // light text on a dark page
  bool overwrite = false;
  std::string font = {}; // family of all texts; empty: DejaVu Sans
  double font_size = 12; // of axis titles, in CSS pixels, 5…64; the other texts keep their proportion to it
};

// Returns what render() would refuse of the options for any figure: invalid_argument (not_found for a font that the
// machine does not have), with the option as the field: "width", "scale", "font", "font_size".
Status check_options(const RenderOptions& options);

// Writes the figure. The file appears whole or not at all; an existing one is kept and reported as
// already_exists unless options.overwrite. A figure whose parts do not fit each other is invalid_argument.
Status render(const Figure& figure, const std::string& path, Format format, const RenderOptions& options,
              const Provenance& provenance);

// The same, to memory: the bytes of the file, or (render_rgba) 8-bit straight RGBA, row by row.
struct Pixels {
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::vector<std::uint8_t> rgba;
};
Result<std::string> render_bytes(const Figure& figure, Format format, const RenderOptions& options,
                                 const Provenance& provenance);
Result<Pixels> render_rgba(const Figure& figure, const RenderOptions& options);

// ---- Positions of things, for hit tests in the window and for tests. All are in CSS pixels, with the origin at the
// top left.

struct Rect {
  double x = 0, y = 0, width = 0, height = 0;
};

// A drawn text. The box is width x height before it is turned about (x, y) by angle degrees clockwise;
// (x, y) is its top left corner before that.
struct TextBox {
  enum class Role { title, subtitle, panel_title, axis, x_tick, y_tick, scale_tick, scale_label, mark, legend };
  Role role = Role::title;
  std::string text; // as drawn, UTF-8
  double x = 0, y = 0, width = 0, height = 0, angle = 0;
};

struct HeatmapPlace {
  Rect cells; // all of them together
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  Rect color_bar; // high end at the top; empty where the panel has none of its own
  double low = 0; // the scale as drawn
  double center = 0;
  double high = 0;

  Rect cell_rect(std::int64_t row, std::int64_t col) const;
};

struct FigureLayout {
  double width = 0;
  double height = 0;
  std::vector<HeatmapPlace> heatmaps; // one for each panel
  Rect plot;                          // bars and lines: the area inside the axes; graphs: all nodes together
  std::vector<Rect> nodes;            // of a graph
  std::vector<TextBox> texts;
};

Result<FigureLayout> layout(const Figure& figure, const RenderOptions& options);

} // namespace headscope::figures
