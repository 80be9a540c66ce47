// SPDX-License-Identifier: GPL-3.0-or-later
// Lays out a map's cells, axes, marks and colour bar.
#include <algorithm>
#include <cmath>
#include <map>

#include "app/figures/scene.h"
#include "app/figures/ticks.h"
#include "app/figures/token_label.h"

namespace headscope::figures {

namespace {

using Role = TextBox::Role;

constexpr double half_sqrt2 = 0.70710678118654752;
constexpr std::size_t max_names =
    3; // with every third name the text can still be read; beyond, numbers are more useful

bool all_numbers(const std::vector<std::string>& names) {
  return std::all_of(names.begin(), names.end(), [](const std::string& name) {
    return !name.empty() && name.size() <= 7 && name.find_first_not_of("0123456789") == std::string::npos;
  });
}

std::string name_of(const std::vector<std::string>& names, std::int64_t at) {
  return names.empty() ? std::to_string(at) : drawable_text(token_label(names[static_cast<std::size_t>(at)]));
}

void add_tick_line(Fragment& to, double x1, double y1, double x2, double y2) {
  to.lines.push_back({x1, y1, x2, y2, false, Ink::muted});
}

// The greatest pitch of n cells in the room that is a whole number of device pixels, or of cells per pixel.
double pitch_for(std::int64_t n, double room, double cap, double dpr) {
  const double pixels = room * dpr;
  const auto count = static_cast<double>(n);
  if (count <= pixels) return std::max(1.0, std::min(std::floor(pixels / count), std::floor(cap * dpr))) / dpr;
  return 1 / (std::ceil(count / pixels) * dpr);
}

struct CellSize {
  double width, height;
};

CellSize cell_size(const HeatmapFigure& figure, const MapRoom& room) {
  constexpr double sliver = 48; // a map thinner than this cannot be read
  const double cap = std::clamp(480.0 / static_cast<double>(std::max(figure.rows, figure.cols)), 40.0, 72.0);
  CellSize size{pitch_for(figure.cols, room.width, cap, room.dpr), pitch_for(figure.rows, room.height, cap, room.dpr)};
  if (!figure.square_cells) {
    size.height = std::min(size.height, std::max(size.width, std::floor(28 * room.dpr) / room.dpr));
    if (size.width > 2 * size.height) size.width = std::max(1.0, std::floor(2 * size.height * room.dpr)) / room.dpr;
    return size;
  }
  const double side = std::min(size.width, size.height);
  const auto stretched = [&](std::int64_t n, double free_pitch) {
    if (static_cast<double>(n) * side >= sliver) return side;
    return std::max(side, std::min(free_pitch, pitch_for(n, sliver, cap, room.dpr)));
  };
  return {stretched(figure.cols, size.width), stretched(figure.rows, size.height)};
}

// Adds labels beside their rows, pushed apart until none touch, each with a line to its row.
double add_marks(Fragment& to, const HeatmapFigure& figure, double pitch, double cells_width, double cells_height) {
  std::map<std::int64_t, std::string> by_row;
  for (const Mark& mark : figure.marks) {
    if (mark.label.empty()) continue;
    std::string& text = by_row[mark.row];
    text += (text.empty() ? "" : ", ") + token_label(mark.label, 24);
  }
  if (by_row.empty()) return 0;
  const double height = line_height(FontRole::tick);
  const auto fits = static_cast<std::size_t>(std::max(1.0, std::floor((cells_height + height / 2) / height)));
  std::vector<std::pair<double, std::string>> labels; // top, text
  for (const auto& [row, text] : by_row) {
    if (labels.size() + 1 == fits && by_row.size() > fits) {
      labels.emplace_back(cells_height, "+" + std::to_string(by_row.size() - labels.size()) + " rows");
      break;
    }
    labels.emplace_back((static_cast<double>(row) + 0.5) * pitch - height / 2, text);
  }
  for (std::size_t i = 1; i < labels.size(); ++i) {
    labels[i].first = std::max(labels[i].first, labels[i - 1].first + height);
  }
  double limit = cells_height - height * 3 / 4;
  for (std::size_t i = labels.size(); i-- > 0; limit = labels[i].first - height) {
    labels[i].first = std::min(labels[i].first, std::max(limit, -height / 2));
  }
  constexpr double leader = 14;
  double widest = 0;
  auto row = by_row.begin();
  for (const auto& [top, text] : labels) {
    const auto lines = wrap(FontRole::tick, text, 120, 1);
    const std::string& line = lines.empty() ? text : lines.front();
    add_text(to, Role::mark, FontRole::tick, line, cells_width + leader + 3, top, 0, Ink::accent);
    if (labels.size() == by_row.size() ||
        row != std::prev(by_row.end(), static_cast<std::ptrdiff_t>(by_row.size() - labels.size() + 1))) {
      const double from = (static_cast<double>(row->first) + 0.5) * pitch;
      to.lines.push_back({cells_width + 2, from, cells_width + leader, top + height / 2, false, Ink::accent});
    }
    ++row;
    widest = std::max(widest, text_width(FontRole::tick, line));
  }
  return leader + 3 + widest;
}

int annotation_decimals(const HeatmapFigure& figure, const ResolvedScale& scale, const CellSize& size) {
  if (!figure.annotate_values || size.height < line_height(FontRole::cell)) return -1;
  for (int decimals = std::min(2, decimals_for_range(scale.high - scale.low)); decimals >= 0; --decimals) {
    double widest = 0;
    for (const float value : figure.values) {
      if (!std::isfinite(value)) continue;
      widest = std::max(widest, static_cast<double>(format_fixed(value, decimals).size()));
    }
    // Digits are equally wide in the font; the minus sign is three bytes but no wider than two digits.
    if (widest * text_width(FontRole::cell, "0") + 4 <= size.width) return decimals;
    if (decimals == 1 || scale.high - scale.low < 1) break;
  }
  return -1;
}

double add_block_titles(Fragment& to, const HeatmapFigure& figure, double width) {
  const auto titles = wrap(FontRole::panel_title, figure.title, width, 2);
  const auto subtitles = wrap(FontRole::tick, figure.subtitle, width, 2);
  const double title_height = line_height(FontRole::panel_title);
  const double subtitle_height = line_height(FontRole::tick);
  const double total =
      static_cast<double>(titles.size()) * title_height + static_cast<double>(subtitles.size()) * subtitle_height;
  if (total == 0) return 0;
  double y = -total - 8;
  for (const auto& line : titles) {
    add_text(to, Role::panel_title, FontRole::panel_title, line, 0, y);
    y += title_height;
  }
  for (const auto& line : subtitles) {
    add_text(to, Role::panel_title, FontRole::tick, line, 0, y, 0, Ink::muted);
    y += subtitle_height;
  }
  return total + 8;
}

void add_turned_label(Fragment& to, const std::string& text, double center, double y, double angle) {
  const double width = text_width(FontRole::tick, text);
  const double height = line_height(FontRole::tick);
  if (angle == 0)
    add_text(to, Role::x_tick, FontRole::tick, text, center - width / 2, y);
  else if (angle == -90)
    add_text(to, Role::x_tick, FontRole::tick, text, center - height / 2, y + width, angle);
  else {
    add_text(to, Role::x_tick, FontRole::tick, text, center - (width + height / 2) * half_sqrt2, y + width * half_sqrt2,
             angle);
  }
}

} // namespace

void add_text(Fragment& to, Role role, FontRole font_role, const std::string& text, double x, double y, double angle,
              Ink ink) {
  TextBox box{role, text, x, y, text_width(font_role, text), line_height(font_role), angle};
  to.texts.push_back({std::move(box), font_role, ink});
}

double add_upward(Fragment& to, Role role, const std::vector<std::string>& lines, double x, double y) {
  const double height = line_height(FontRole::axis);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const double width = text_width(FontRole::axis, lines[i]);
    add_text(to, role, FontRole::axis, lines[i], x + static_cast<double>(i) * height, y + width / 2, -90);
  }
  return static_cast<double>(lines.size()) * height;
}

CategoryAxis add_x_labels(Fragment& to, const std::vector<std::string>& names, std::int64_t n, double pitch, double y) {
  CategoryAxis axis;
  const double height = line_height(FontRole::tick);
  const bool crowded = pitch * static_cast<double>(max_names) < height && !all_numbers(names);
  axis.positions = !names.empty() && crowded;
  const std::vector<std::string>& shown = axis.positions ? std::vector<std::string>() : names;
  std::vector<std::string> labels;
  double widest = 0;
  const bool numbers = shown.empty() || all_numbers(shown);
  if (numbers) {
    std::size_t digits = std::to_string(n - 1).size();
    for (const std::string& name : shown)
      digits = std::max(digits, name.size());
    widest = static_cast<double>(digits) * text_width(FontRole::tick, "0");
  }
  for (std::int64_t i = 0; i < n && !numbers; ++i) {
    labels.push_back(name_of(shown, i));
    widest = std::max(widest, text_width(FontRole::tick, labels.back()));
  }
  std::int64_t step = 1;
  double angle = 0;
  if (numbers)
    step = nice_step((widest + 8) / pitch);
  else if (widest + 8 > pitch) {
    angle = pitch * half_sqrt2 >= height ? -45 : -90;
    step = std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(height / pitch)));
    if (angle == -45) step = 1;
  }
  for (std::int64_t i = 0; i < n; i += step) {
    const std::string text = numbers ? name_of(shown, i) : labels[static_cast<std::size_t>(i)];
    const double center = (static_cast<double>(i) + 0.5) * pitch;
    const double width = text_width(FontRole::tick, text);
    add_turned_label(to, text, center, y + label_gap, angle);
    if (pitch < 12) add_tick_line(to, center, y, center, y + 3);
    const double along_low = angle == 0 ? width / 2 : angle == -45 ? (width + height / 2) * half_sqrt2 : height / 2;
    const double along_high = angle == 0 ? width / 2 : angle == -45 ? height / 2 * half_sqrt2 : height / 2;
    const double across = angle == 0 ? height : angle == -45 ? (width + height) * half_sqrt2 : width;
    axis.overhang_low = std::max(axis.overhang_low, along_low - center);
    axis.overhang_high = std::max(axis.overhang_high, center + along_high - static_cast<double>(n) * pitch);
    axis.extent = std::max(axis.extent, across + label_gap);
  }
  return axis;
}

CategoryAxis add_y_labels(Fragment& to, const std::vector<std::string>& names, std::int64_t n, double pitch) {
  CategoryAxis axis;
  const double height = line_height(FontRole::tick);
  const bool numbers = names.empty() || all_numbers(names);
  axis.positions = !numbers && pitch * static_cast<double>(max_names) < height;
  const std::vector<std::string>& shown = axis.positions ? std::vector<std::string>() : names;
  const double least = height / pitch;
  const std::int64_t step =
      numbers || axis.positions ? nice_step(least) : std::max<std::int64_t>(1, std::llround(std::ceil(least)));
  for (std::int64_t i = 0; i < n; i += step) {
    const std::string text = name_of(shown, i);
    const double center = (static_cast<double>(i) + 0.5) * pitch;
    const double width = text_width(FontRole::tick, text);
    add_text(to, Role::y_tick, FontRole::tick, text, -label_gap - width, center - height / 2);
    if (pitch < 12) add_tick_line(to, -3, center, 0, center);
    axis.extent = std::max(axis.extent, width + label_gap);
    axis.overhang_low = std::max(axis.overhang_low, height / 2 - center);
    axis.overhang_high = std::max(axis.overhang_high, center + height / 2 - static_cast<double>(n) * pitch);
  }
  return axis;
}

MapBlock make_map(const HeatmapFigure& figure, const ResolvedScale& scale, const MapRoom& room) {
  const CellSize size = cell_size(figure, room);
  MapBlock block;
  const double width = static_cast<double>(figure.cols) * size.width;
  const double height = static_cast<double>(figure.rows) * size.height;
  block.cells_width = width;
  block.cells_height = height;
  Fragment& content = block.content;
  const CategoryAxis x = add_x_labels(content, figure.x_ticks, figure.cols, size.width, height);
  const CategoryAxis y = add_y_labels(content, figure.y_ticks, figure.rows, size.height);
  block.left = std::max(y.extent, x.overhang_low);
  block.bottom = std::max(x.extent, y.overhang_high);
  block.top = y.overhang_low;
  const auto titled = [](const std::string& title, bool positions) {
    return positions && !title.empty() ? title + " (position)" : title;
  };
  const double axis_height = line_height(FontRole::axis);
  const auto y_title = wrap(FontRole::axis, titled(figure.y_axis, y.positions), std::max(height, 90.0), 2);
  if (!y_title.empty()) {
    const double thickness = static_cast<double>(y_title.size()) * axis_height;
    add_upward(content, Role::axis, y_title, -y.extent - 4 - thickness, height / 2);
    block.left = std::max(block.left, y.extent + 4 + thickness);
    double longest = 0;
    for (const auto& line : y_title)
      longest = std::max(longest, text_width(FontRole::axis, line));
    block.top = std::max(block.top, (longest - height) / 2);
    block.bottom = std::max(block.bottom, (longest - height) / 2);
  }
  block.right = std::max(0.0, x.overhang_high);
  for (const auto& line : wrap(FontRole::axis, titled(figure.x_axis, x.positions), std::max(width, 120.0), 2)) {
    const double line_width = text_width(FontRole::axis, line);
    add_text(content, Role::axis, FontRole::axis, line, (width - line_width) / 2, height + block.bottom + 4);
    block.bottom += axis_height + 4;
    block.left = std::max(block.left, (line_width - width) / 2);
    block.right = std::max(block.right, (line_width - width) / 2);
  }
  block.right = std::max(block.right, add_marks(content, figure, size.height, width, height));
  if (room.panel) {
    const double title_width = std::max(width, 130.0);
    const double title_height = add_block_titles(content, figure, title_width);
    block.top = std::max(block.top, title_height);
    if (title_height > 0) block.right = std::max(block.right, title_width - width);
  }
  SceneMap map;
  map.figure = &figure;
  map.place = {{0, 0, width, height}, figure.rows, figure.cols, {}, scale.low, scale.center, scale.high};
  map.scale = scale;
  map.separate_cells = std::min(size.width, size.height) >= 14 && figure.rows * figure.cols <= 4096;
  map.cell_texts = map.separate_cells && !figure.cell_texts.empty() && size.width >= 24 &&
                   size.height >= line_height(FontRole::cell);
  map.decimals = map.separate_cells ? annotation_decimals(figure, scale, size) : -1;
  content.maps.push_back(std::move(map));
  return block;
}

BarBlock make_color_bar(const ColorScale& wanted, const ResolvedScale& scale, double height, bool nan_legend) {
  constexpr double thickness = 14;
  constexpr double arrow = 9; // drawn where values are beyond an end
  BarBlock block;
  const double top = scale.clips_high ? arrow : 0;
  const double bottom = height - (scale.clips_low ? arrow : 0);
  block.bar = {0, top, thickness, bottom - top};
  const double tick_height = line_height(FontRole::tick);
  const int count = std::max(2, static_cast<int>((bottom - top) / (tick_height * 2.2)));
  const auto ticks = scale.log ? log_ticks(scale.low, scale.high, count) : linear_ticks(scale.low, scale.high, count);
  double widest = 0;
  for (const Tick& tick : ticks) {
    const double y = bottom - scale.position(tick.value) * (bottom - top);
    add_text(block.content, Role::scale_tick, FontRole::tick, tick.label, thickness + 7, y - tick_height / 2);
    add_tick_line(block.content, thickness, y, thickness + 4, y);
    widest = std::max(widest, text_width(FontRole::tick, tick.label));
  }
  block.width = thickness + 7 + widest;
  const std::string label = wanted.units.empty() ? wanted.label : wanted.label + " (" + wanted.units + ")";
  const auto lines = wrap(FontRole::axis, label, height, 2);
  if (!lines.empty()) {
    block.width += 6;
    block.width += add_upward(block.content, Role::scale_label, lines, block.width, height / 2);
  }
  SceneBar bar;
  bar.box = block.bar;
  bar.scale = scale;
  block.height = height;
  if (nan_legend) {
    const double y = height + tick_height / 2 + 8;
    bar.nan_swatch = Rect{0, y, thickness, thickness};
    add_text(block.content, Role::legend, FontRole::tick, "no value (NaN)", thickness + 7,
             y + (thickness - tick_height) / 2);
    block.width = std::max(block.width, thickness + 7 + text_width(FontRole::tick, "no value (NaN)"));
    block.height = y + thickness;
  }
  block.content.bars.push_back(std::move(bar));
  return block;
}

} // namespace headscope::figures
