// SPDX-License-Identifier: GPL-3.0-or-later
// Lays out the page: titles above, maps in a grid or one chart below.
#include <algorithm>
#include <cmath>
#include <limits>

#include "app/figures/graph_look.h"
#include "app/figures/scene.h"

namespace headscope::figures {

namespace {

using Role = TextBox::Role;

constexpr double min_page = 120, max_page = 20000;
constexpr double min_scale = 0.25, max_scale = 16;
constexpr double min_font = 5, max_font = 64;
constexpr double panel_gap = 28;
constexpr double bar_gap = 18;
constexpr std::size_t max_panels = 400;

Error bad(const std::string& message, const std::string& field) {
  return make_error(ErrorCode::invalid_argument, message, {}, field);
}

Error too_narrow(double needed) {
  return bad("too narrow for this figure; give at least " + std::to_string(static_cast<int>(std::ceil(needed))),
             "width");
}

struct Title {
  Fragment content;
  double height = 0;
};

Title make_title(const std::string& title, const std::string& subtitle, double width) {
  Title result;
  for (const auto& line : wrap(FontRole::title, title, width, 4)) {
    add_text(result.content, Role::title, FontRole::title, line, 0, result.height);
    result.height += line_height(FontRole::title);
  }
  if (result.height > 0) result.height += 2;
  for (const auto& line : wrap(FontRole::subtitle, subtitle, width, 6)) {
    add_text(result.content, Role::subtitle, FontRole::subtitle, line, 0, result.height, 0, Ink::muted);
    result.height += line_height(FontRole::subtitle);
  }
  if (result.height > 0) result.height += 16;
  return result;
}

// Makes a page as wide as wanted or, with 0, as its content; but wide enough that a title wraps at a readable length.
Scene make_page(const std::string& title, const std::string& subtitle, double width, Fragment&& content,
                double content_width, double content_height) {
  constexpr double readable = 440;
  Scene scene;
  double inner = width > 0 ? width - 2 * page_margin : content_width;
  if (width == 0) {
    const double wanted =
        std::max(text_width(FontRole::title, clean_text(title)), text_width(FontRole::subtitle, clean_text(subtitle)));
    inner = std::ceil(std::max(inner, std::min(wanted + 2, readable)));
  }
  Title head = make_title(title, subtitle, inner);
  scene.width = inner + 2 * page_margin;
  scene.height = std::ceil(head.height + content_height + 2 * page_margin);
  head.content.move(page_margin, page_margin);
  scene.content_top = page_margin + head.height;
  content.move(page_margin, scene.content_top);
  scene.content = std::move(head.content);
  scene.content.append(std::move(content));
  return scene;
}

// The maps of a page, side by side.
struct Grid {
  std::vector<const HeatmapFigure*> maps;
  std::vector<ResolvedScale> scales;
  std::size_t columns = 1;
  bool shared = false; // one bar beside all
  bool panels = false; // each draws its own title
};

struct Placed {
  Fragment content;
  double width = 0, height = 0;
};

double bar_height(double cells_height) { return std::clamp(cells_height, 90.0, 420.0); }

MapBlock block_with_bar(const Grid& grid, std::size_t at, const MapRoom& room) {
  const HeatmapFigure& figure = *grid.maps[at];
  MapBlock block = make_map(figure, grid.scales[at], room);
  if (grid.shared) return block;
  BarBlock bar = make_color_bar(figure.scale, grid.scales[at], bar_height(block.cells_height), has_nan(figure));
  const double x = block.cells_width + block.right + bar_gap;
  bar.content.move(x, 0);
  block.content.maps.front().place.color_bar = {bar.bar.x + x, bar.bar.y, bar.bar.width, bar.bar.height};
  block.content.append(std::move(bar.content));
  block.right += bar_gap + bar.width;
  block.top = std::max(block.top, line_height(FontRole::tick) / 2);
  block.bottom = std::max(block.bottom, bar.height - block.cells_height + line_height(FontRole::tick) / 2);
  return block;
}

struct Track { // a column or a row: what lies before, in and after the cells
  double before = 0, cells = 0, after = 0;
  double size() const { return before + cells + after; }
  void fit(double b, double c, double a) {
    before = std::max(before, b);
    after = std::max(after + cells, a + c) - std::max(cells, c);
    cells = std::max(cells, c);
  }
};

Placed place_grid(const Grid& grid, const MapRoom& room) {
  std::vector<MapBlock> blocks;
  for (std::size_t i = 0; i < grid.maps.size(); ++i)
    blocks.push_back(block_with_bar(grid, i, room));
  std::vector<Track> columns(grid.columns);
  std::vector<Track> rows((blocks.size() + grid.columns - 1) / grid.columns);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const MapBlock& block = blocks[i];
    columns[i % grid.columns].fit(block.left, block.cells_width, block.right);
    rows[i / grid.columns].fit(block.top, block.cells_height, block.bottom);
  }
  Placed result;
  double y = 0;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    double x = 0;
    for (std::size_t c = 0; c < grid.columns && r * grid.columns + c < blocks.size(); ++c) {
      Fragment& content = blocks[r * grid.columns + c].content;
      // Rounds to whole device pixels, so that cells keep crisp edges.
      const auto snap = [&](double v) { return std::ceil(v * room.dpr) / room.dpr; };
      content.move(snap(x + columns[c].before), snap(y + rows[r].before));
      result.content.append(std::move(content));
      x += columns[c].size() + panel_gap;
    }
    result.width = std::max(result.width, x - panel_gap);
    y += rows[r].size() + panel_gap * 0.75;
  }
  result.height = y - panel_gap * 0.75;
  if (!grid.shared) return result;
  bool any_nan = false;
  for (const HeatmapFigure* map : grid.maps)
    any_nan = any_nan || has_nan(*map);
  BarBlock bar = make_color_bar(grid.maps.front()->scale, grid.scales.front(), bar_height(rows.front().cells), any_nan);
  const double top = rows.front().before;
  bar.content.move(result.width + bar_gap, top);
  const Rect place{result.width + bar_gap, top + bar.bar.y, bar.bar.width, bar.bar.height};
  for (SceneMap& map : result.content.maps)
    map.place.color_bar = place;
  result.content.append(std::move(bar.content));
  result.width += bar_gap + bar.width;
  result.height = std::max(result.height, top + bar.height + line_height(FontRole::tick) / 2);
  return result;
}

// Finds the room for the cells with which the grid fills the wanted width without passing it.
Result<Placed> fit_grid(const Grid& grid, const RenderOptions& options) {
  MapRoom room;
  room.dpr = options.scale;
  room.panel = grid.panels;
  const auto columns = static_cast<double>(grid.columns);
  const double side = !grid.panels ? 640 : columns <= 1 ? 480 : columns <= 2 ? 380 : columns <= 3 ? 300 : 240;
  room.width = room.height = side;
  Placed placed = place_grid(grid, room);
  if (options.width == 0) return placed;
  const double inner = options.width - 2 * page_margin;
  room.height = std::max(side, std::min(inner / columns, 4 * side));
  room.width = std::max(1.0, room.width + (inner - placed.width) / columns);
  placed = place_grid(grid, room);
  for (int i = 0; i < 24 && placed.width > inner && room.width > 4; ++i) {
    room.width = std::max(4.0, room.width - std::max(1.0, (placed.width - inner) / columns));
    placed = place_grid(grid, room);
  }
  if (placed.width > inner + 0.01) return too_narrow(placed.width + 2 * page_margin);
  return placed;
}

// The values that determine a scale; masked cells are ignored.
std::vector<float> seen_values(std::span<const HeatmapFigure> maps) {
  std::vector<float> all;
  for (const HeatmapFigure& map : maps) {
    for (std::int64_t r = 0; r < map.rows; ++r) {
      const std::int64_t end = map.causal_mask ? std::min(map.cols, r + map.cols - map.rows + 1) : map.cols;
      const auto begin = map.values.begin() + static_cast<std::ptrdiff_t>(r * map.cols);
      all.insert(all.end(), begin, begin + static_cast<std::ptrdiff_t>(end));
    }
  }
  return all;
}

Result<Scene> make(const HeatmapFigure& figure, const RenderOptions& options) {
  HS_TRY(check_map(figure));
  Grid grid;
  HS_ASSIGN(const ResolvedScale scale, resolve_scale(figure.scale, seen_values({&figure, 1})));
  grid.maps = {&figure};
  grid.scales = {scale};
  HS_ASSIGN(Placed placed, fit_grid(grid, options));
  return make_page(figure.title, figure.subtitle, options.width, std::move(placed.content), placed.width,
                   placed.height);
}

Result<Scene> make(const PanelFigure& figure, const RenderOptions& options) {
  if (figure.panels.empty()) return bad("a figure needs at least one panel", "panels");
  if (figure.panels.size() > max_panels) return bad("a page holds at most 400 panels", "panels");
  Grid grid;
  grid.panels = true;
  grid.shared = figure.shared_scale;
  for (const HeatmapFigure& panel : figure.panels) {
    HS_TRY(check_map(panel));
    grid.maps.push_back(&panel);
  }
  if (figure.shared_scale) {
    HS_ASSIGN(const ResolvedScale scale, resolve_scale(figure.panels.front().scale, seen_values(figure.panels)));
    grid.scales.assign(figure.panels.size(), scale);
  }
  for (const HeatmapFigure& panel : figure.panels) {
    if (figure.shared_scale) break;
    HS_ASSIGN(const ResolvedScale scale, resolve_scale(panel.scale, seen_values({&panel, 1})));
    grid.scales.push_back(scale);
  }
  const std::size_t count = figure.panels.size();
  const auto chosen = count <= 3 ? count : static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(count))));
  grid.columns = std::min(count, figure.columns > 0 ? static_cast<std::size_t>(figure.columns) : chosen);
  HS_ASSIGN(Placed placed, fit_grid(grid, options));
  return make_page(figure.title, figure.subtitle, options.width, std::move(placed.content), placed.width,
                   placed.height);
}

template <typename Chart> Result<Scene> make_chart_page(const Chart& figure, const RenderOptions& options) {
  const double width = options.width > 0 ? options.width - 2 * page_margin : 680;
  HS_ASSIGN(ChartBlock block, make_chart(figure, width));
  if (block.width > width + 0.01) return too_narrow(block.width + 2 * page_margin);
  Scene scene =
      make_page(figure.title, figure.subtitle, options.width, std::move(block.content), block.width, block.height);
  // The chart moves as its texts did.
  const double dx = page_margin;
  const double dy = scene.content_top;
  SceneChart chart = std::move(block.chart);
  const auto move = [&](Rect& rect) {
    rect.x += dx;
    rect.y += dy;
  };
  move(chart.plot);
  for (Rect& key : chart.legend_keys)
    move(key);
  chart.x.from += dx;
  chart.x.to += dx;
  chart.y.from += dy;
  chart.y.to += dy;
  scene.chart = std::move(chart);
  return scene;
}

Result<Scene> make(const BarFigure& figure, const RenderOptions& options) { return make_chart_page(figure, options); }
Result<Scene> make(const LineFigure& figure, const RenderOptions& options) { return make_chart_page(figure, options); }

Result<Scene> make(const GraphFigure& figure, const RenderOptions& options) {
  const double width = options.width > 0 ? options.width - 2 * page_margin : 0;
  HS_ASSIGN(GraphBlock block, make_graph(figure, width));
  if (width > 0 && block.width > width + 0.01) return too_narrow(block.width + 2 * page_margin);
  Scene scene =
      make_page(figure.title, figure.subtitle, options.width, std::move(block.content), block.width, block.height);
  const auto move = [&](Rect& rect) {
    rect.x += page_margin;
    rect.y += scene.content_top;
  };
  for (Rect& node : block.graph.nodes)
    move(node);
  for (SceneGraph::Key& key : block.graph.keys)
    move(key.box);
  scene.graph = std::move(block.graph);
  return scene;
}

} // namespace

Status check_options(const RenderOptions& options) {
  if (options.width != 0 && !(options.width >= min_page && options.width <= max_page)) {
    return bad("the width must lie between 120 and 20000, or be 0", "width");
  }
  if (!(options.scale >= min_scale && options.scale <= max_scale)) {
    return bad("the scale must lie between 0.25 and 16", "scale");
  }
  if (!(options.font_size >= min_font && options.font_size <= max_font)) {
    return bad("the size of texts must lie between 5 and 64 pixels", "font_size");
  }
  return check_fonts(options.font);
}

void Fragment::move(double dx, double dy) {
  for (SceneText& text : texts) {
    text.box.x += dx;
    text.box.y += dy;
  }
  for (auto* set : {&lines, &grid}) {
    for (SceneLine& line : *set) {
      line.x1 += dx;
      line.x2 += dx;
      line.y1 += dy;
      line.y2 += dy;
    }
  }
  const auto shift = [&](Rect& rect) {
    rect.x += dx;
    rect.y += dy;
  };
  for (SceneMap& map : maps) {
    shift(map.place.cells);
    shift(map.place.color_bar);
  }
  for (SceneBar& bar : bars) {
    shift(bar.box);
    if (bar.nan_swatch) shift(*bar.nan_swatch);
  }
}

void Fragment::append(Fragment&& other) {
  const auto take = [](auto& to, auto& from) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
  };
  take(texts, other.texts);
  take(lines, other.lines);
  take(grid, other.grid);
  take(maps, other.maps);
  take(bars, other.bars);
}

bool masked(const HeatmapFigure& figure, std::int64_t row, std::int64_t col) {
  return figure.causal_mask && col > row + figure.cols - figure.rows;
}

bool has_nan(const HeatmapFigure& figure) {
  for (std::int64_t r = 0; r < figure.rows; ++r) {
    for (std::int64_t c = 0; c < figure.cols; ++c) {
      if (std::isnan(figure.values[static_cast<std::size_t>(r * figure.cols + c)]) && !masked(figure, r, c)) {
        return true;
      }
    }
  }
  return false;
}

Status check_map(const HeatmapFigure& figure) {
  constexpr std::int64_t most = 1 << 20;
  if (figure.rows < 1 || figure.cols < 1) return bad("a map needs at least one row and one column", "rows, cols");
  if (figure.rows > most || figure.cols > most) return bad("a map has at most 1048576 rows and columns", "rows, cols");
  if (static_cast<std::int64_t>(figure.values.size()) != figure.rows * figure.cols) {
    return bad(std::to_string(figure.rows) + " rows of " + std::to_string(figure.cols) + " columns need " +
                   std::to_string(figure.rows * figure.cols) + " values, given are " +
                   std::to_string(figure.values.size()),
               "values");
  }
  const auto matches = [](const std::vector<std::string>& names, std::int64_t n) {
    return names.empty() || static_cast<std::int64_t>(names.size()) == n;
  };
  if (!matches(figure.x_ticks, figure.cols)) return bad("one label is needed for each column", "x_ticks");
  if (!matches(figure.y_ticks, figure.rows)) return bad("one label is needed for each row", "y_ticks");
  if (!matches(figure.cell_texts, figure.rows * figure.cols))
    return bad("one text is needed for each cell", "cell_texts");
  if (figure.causal_mask && figure.cols < figure.rows) {
    return bad("a causal mask needs at least as many columns as rows", "causal_mask");
  }
  for (const Region& region : figure.regions)
    if (region.row_begin < 0 || region.row_begin >= region.row_end || region.row_end > figure.rows ||
        region.col_begin < 0 || region.col_begin >= region.col_end || region.col_end > figure.cols)
      return bad("a region lies outside the map", "regions");
  for (const auto& [lines, n, field] :
       {std::tuple(&figure.row_lines, figure.rows, "row_lines"), {&figure.col_lines, figure.cols, "col_lines"}})
    for (const std::int64_t line : *lines)
      if (line < 0 || line > n) return bad("a line lies outside the map", field);
  for (const Mark& mark : figure.marks) {
    if (mark.row < 0 || mark.row >= figure.rows || mark.col < 0 || mark.col >= figure.cols) {
      return bad("a marked cell lies outside the map: row " + std::to_string(mark.row) + ", column " +
                     std::to_string(mark.col),
                 "marks");
    }
  }
  return {};
}

Result<Scene> make_scene(const Figure& figure, const RenderOptions& options) {
  HS_TRY(check_options(options));
  return std::visit([&](const auto& kind) { return make(kind, options); }, figure);
}

Rect HeatmapPlace::cell_rect(std::int64_t row, std::int64_t col) const {
  const double width = cells.width / static_cast<double>(cols);
  const double height = cells.height / static_cast<double>(rows);
  return {cells.x + static_cast<double>(col) * width, cells.y + static_cast<double>(row) * height, width, height};
}

Result<FigureLayout> layout(const Figure& figure, const RenderOptions& options) {
  const Typeface typeface(options);
  HS_ASSIGN(Scene scene, make_scene(figure, options));
  FigureLayout result;
  result.width = scene.width;
  result.height = scene.height;
  for (SceneMap& map : scene.content.maps)
    result.heatmaps.push_back(map.place);
  for (SceneText& text : scene.content.texts)
    result.texts.push_back(std::move(text.box));
  if (scene.chart) result.plot = scene.chart->plot;
  if (scene.graph) {
    result.nodes = scene.graph->nodes;
    result.plot = bounds_of(result.nodes);
  }
  return result;
}

} // namespace headscope::figures
