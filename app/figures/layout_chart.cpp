// SPDX-License-Identifier: GPL-3.0-or-later
// Lays out the axes, the legend and the rules of bars and lines.
#include <algorithm>
#include <cmath>
#include <limits>

#include "app/figures/scene.h"
#include "app/figures/ticks.h"

namespace headscope::figures {

namespace {

using Role = TextBox::Role;

constexpr double plot_height = 320;

Error bad(const std::string& message, const std::string& field) {
  return make_error(ErrorCode::invalid_argument, message, {}, field);
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void add(double value, bool log) {
    if (!std::isfinite(value) || (log && value <= 0)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  // Adds some room at the ends; the range is never empty.
  void finish(bool log, double room_low, double room_high) {
    if (low > high) {
      low = log ? 0.1 : 0;
      high = 1;
    }
    if (log) {
      const double ratio = std::max(high / low, 1.5);
      high *= std::pow(ratio, room_high);
      low /= std::pow(ratio, room_low);
      return;
    }
    double span = high - low;
    if (span <= std::abs(high) * 1e-12) span = std::max(std::abs(high) * 0.2, 1e-9);
    if (low == high && low == 0) span = 1;
    const bool flat = low == high;
    low -= span * (flat ? std::max(room_low, 0.05) : room_low);
    high += span * (flat ? std::max(room_high, 0.05) : room_high);
  }
};

double error_at(const std::vector<double>& low, const std::vector<double>& fallback, std::size_t at) {
  const auto& from = low.empty() ? fallback : low;
  return from.empty() || !std::isfinite(from[at]) ? 0 : from[at];
}

Status check_series(const Series& series, const std::string& field) {
  const auto fits = [&](const std::vector<double>& v) { return v.empty() || v.size() == series.y.size(); };
  if (!fits(series.x)) return bad("x and y of a series must have the same length", field + ".x");
  if (!fits(series.error_low)) return bad("one error is needed for each point", field + ".error_low");
  if (!fits(series.error_high)) return bad("one error is needed for each point", field + ".error_high");
  return {};
}

Range y_range(const std::vector<Series>& all, const std::vector<Rule>& rules, bool log) {
  Range range;
  for (const Series& series : all) {
    for (std::size_t i = 0; i < series.y.size(); ++i) {
      range.add(series.y[i], log);
      range.add(series.y[i] - error_at(series.error_low, {}, i), log);
      range.add(series.y[i] + error_at(series.error_high, series.error_low, i), log);
    }
  }
  for (const Rule& rule : rules) {
    if (!rule.vertical) range.add(rule.at, log);
  }
  return range;
}

// Puts the series' names in rows above the plot. Returns the height used.
double add_legend(ChartBlock& block, const std::vector<Series>& all, double width) {
  constexpr double key = 14, gap = 6, apart = 20;
  const double height = line_height(FontRole::axis);
  double x = 0, y = 0;
  bool any = false;
  for (const Series& series : all) {
    const auto lines = wrap(FontRole::axis, series.name, std::max(60.0, width - key - gap), 1);
    block.chart.legend_keys.push_back({});
    if (lines.empty()) continue;
    const double needed = key + gap + text_width(FontRole::axis, lines.front());
    if (x > 0 && x + needed > width) {
      x = 0;
      y += height + 4;
    }
    block.chart.legend_keys.back() = {x, y + (height - key) / 2, key, key};
    add_text(block.content, Role::legend, FontRole::axis, lines.front(), x + key + gap, y);
    x += needed + apart;
    any = true;
  }
  return any ? y + height + 12 : 0;
}

struct RulePlan {
  double right = 0; // room for the labels of horizontal rules
  double top = 0;   // and of vertical ones
};

constexpr double rule_label_width = 110;

RulePlan plan_rules(const std::vector<Rule>& rules) {
  RulePlan plan;
  for (const Rule& rule : rules) {
    if (clean_text(rule.label).empty()) continue;
    const double width = std::min(rule_label_width, text_width(FontRole::tick, clean_text(rule.label)));
    if (rule.vertical)
      plan.top += line_height(FontRole::tick);
    else
      plan.right = std::max(plan.right, width + 8);
  }
  return plan;
}

void add_rules(ChartBlock& block, const std::vector<Rule>& rules) {
  const Rect& plot = block.chart.plot;
  const double height = line_height(FontRole::tick);
  std::vector<std::pair<double, std::string>> right; // y, label
  double row = 0;
  for (const Rule& rule : rules) {
    const double at = (rule.vertical ? block.chart.x : block.chart.y).pixel(rule.at);
    const double from = rule.vertical ? plot.x : plot.y;
    const double size = rule.vertical ? plot.width : plot.height;
    if (!std::isfinite(at) || at < from - 0.5 || at > from + size + 0.5) continue;
    const auto lines = wrap(FontRole::tick, rule.label, rule_label_width, 1);
    if (!rule.vertical) {
      block.content.lines.push_back({plot.x, at, plot.x + plot.width, at, true, Ink::accent});
      if (!lines.empty()) right.emplace_back(at, lines.front());
      continue;
    }
    double top = plot.y;
    if (!lines.empty()) {
      ++row;
      top = plot.y - row * height;
      const double width = text_width(FontRole::tick, lines.front());
      const double left = at + 4 + width > plot.x + plot.width ? at - 4 - width : at + 4;
      add_text(block.content, Role::mark, FontRole::tick, lines.front(), left, top, 0, Ink::accent);
    }
    block.content.lines.push_back({at, top, at, plot.y + plot.height, true, Ink::accent});
  }
  std::sort(right.begin(), right.end());
  double free_from = -std::numeric_limits<double>::infinity();
  for (const auto& [at, label] : right) {
    const double top = std::max(at - height / 2, free_from);
    add_text(block.content, Role::mark, FontRole::tick, label, plot.x + plot.width + 8, top, 0, Ink::accent);
    free_from = top + height;
  }
}

struct AxisTitles {
  std::vector<std::string> x, y;
};

// Adds the y axis: grid lines, labels left of the plot, its title. Sets the plot's x to the width they need.
double y_axis_width(const std::vector<Tick>& ticks, const AxisTitles& titles) {
  double widest = 0;
  for (const Tick& tick : ticks)
    widest = std::max(widest, text_width(FontRole::tick, tick.label));
  const double title = static_cast<double>(titles.y.size()) * line_height(FontRole::axis);
  return title + (titles.y.empty() ? 0 : 6) + widest + 6;
}

void add_y_axis(ChartBlock& block, const std::vector<Tick>& ticks, const AxisTitles& titles) {
  const Rect& plot = block.chart.plot;
  const double height = line_height(FontRole::tick);
  for (const Tick& tick : ticks) {
    const double y = block.chart.y.pixel(tick.value);
    block.content.grid.push_back({plot.x, y, plot.x + plot.width, y, false, Ink::muted});
    add_text(block.content, Role::y_tick, FontRole::tick, tick.label,
             plot.x - 6 - text_width(FontRole::tick, tick.label), y - height / 2);
  }
  add_upward(block.content, Role::axis, titles.y, 0, plot.y + plot.height / 2);
}

std::vector<Tick> ticks_for(const AxisMap& axis, int count) {
  return axis.log ? log_ticks(axis.low, axis.high, count) : linear_ticks(axis.low, axis.high, count);
}

// Adds numeric ticks below the plot, as many as fit. Returns the height used.
double add_numeric_x(ChartBlock& block) {
  const Rect& plot = block.chart.plot;
  const double height = line_height(FontRole::tick);
  std::vector<Tick> ticks;
  for (int count = 12; count >= 1; --count) {
    ticks = ticks_for(block.chart.x, count);
    bool free = true;
    for (std::size_t i = 1; i < ticks.size(); ++i) {
      const double apart = block.chart.x.pixel(ticks[i].value) - block.chart.x.pixel(ticks[i - 1].value);
      const double half =
          (text_width(FontRole::tick, ticks[i].label) + text_width(FontRole::tick, ticks[i - 1].label)) / 2;
      free = free && apart >= half + 8;
    }
    if (free) break;
  }
  for (const Tick& tick : ticks) {
    const double x = block.chart.x.pixel(tick.value);
    const double width = text_width(FontRole::tick, tick.label);
    block.content.lines.push_back({x, plot.y + plot.height, x, plot.y + plot.height + 4, false, Ink::muted});
    const double left = std::min(x - width / 2, block.width - width);
    add_text(block.content, Role::x_tick, FontRole::tick, tick.label, std::max(0.0, left), plot.y + plot.height + 6);
  }
  return height + 6;
}

double add_category_x(ChartBlock& block, const std::vector<std::string>& names, std::int64_t n) {
  Fragment labels;
  const double pitch = block.chart.plot.width / static_cast<double>(std::max<std::int64_t>(1, n));
  const CategoryAxis axis = add_x_labels(labels, names, std::max<std::int64_t>(1, n), pitch, 0);
  labels.move(block.chart.plot.x, block.chart.plot.y + block.chart.plot.height);
  block.content.append(std::move(labels));
  return axis.extent;
}

void add_x_title(ChartBlock& block, const AxisTitles& titles, double used) {
  const Rect& plot = block.chart.plot;
  double y = plot.y + plot.height + used + 6;
  for (const std::string& line : titles.x) {
    add_text(block.content, Role::axis, FontRole::axis, line,
             std::max(0.0, plot.x + (plot.width - text_width(FontRole::axis, line)) / 2), y);
    y += line_height(FontRole::axis);
  }
  block.height = y;
}

template <typename Chart> struct Plan {
  const Chart& figure;
  Range x, y;
  bool log_x = false, log_y = false;
  double least_left = 0; // what turned category labels need left of the plot
};

// Lays out everything but the x axis' labels.
template <typename Chart> ChartBlock start(const Plan<Chart>& plan, double width) {
  ChartBlock block;
  block.width = width;
  AxisTitles titles{{}, wrap(FontRole::axis, plan.figure.y_axis, plot_height, 2)};
  const RulePlan rules = plan_rules(plan.figure.rules);
  const double legend = add_legend(block, plan.figure.series, width);
  SceneChart& chart = block.chart;
  chart.y = {plan.y.low, plan.y.high, plan.log_y, 0, 0};
  const auto ticks = ticks_for(chart.y, 7);
  const double left = std::ceil(std::max(y_axis_width(ticks, titles), plan.least_left));
  const double top = std::ceil(std::max(legend + rules.top, line_height(FontRole::tick) / 2));
  chart.plot = {left, top, std::max(60.0, width - left - std::max(rules.right, 8.0)), plot_height};
  block.width = std::max(width, left + chart.plot.width + std::max(rules.right, 8.0));
  chart.x = {plan.x.low, plan.x.high, plan.log_x, chart.plot.x, chart.plot.x + chart.plot.width};
  chart.y.from = chart.plot.y + chart.plot.height;
  chart.y.to = chart.plot.y;
  add_y_axis(block, ticks, titles);
  add_rules(block, plan.figure.rules);
  return block;
}

Status check_rules(const std::vector<Rule>& rules) {
  for (const Rule& rule : rules) {
    if (!std::isfinite(rule.at)) return bad("a rule must lie at a finite number", "rules.at");
  }
  return {};
}

Status check_bars(const BarFigure& figure) {
  if (figure.series.empty()) return bad("a figure needs at least one series", "series");
  const std::size_t n = figure.series.front().y.size();
  for (std::size_t i = 0; i < figure.series.size(); ++i) {
    const std::string field = "series[" + std::to_string(i) + "]";
    HS_TRY(check_series(figure.series[i], field));
    if (figure.series[i].y.size() != n) return bad("all series of bars must have the same length", field);
  }
  if (n == 0) return bad("there are no bars to draw", "series[0].y");
  if (!figure.categories.empty() && figure.categories.size() != n) {
    return bad("one category is needed for each bar", "categories");
  }
  if (figure.bin_edges.empty()) return check_rules(figure.rules);
  if (!figure.categories.empty()) return bad("bars have categories or bin edges, not both", "bin_edges");
  if (figure.bin_edges.size() != n + 1) return bad("one more bin edge than bars is needed", "bin_edges");
  for (std::size_t i = 0; i < figure.bin_edges.size(); ++i) {
    if (!std::isfinite(figure.bin_edges[i]) || (i > 0 && !(figure.bin_edges[i - 1] < figure.bin_edges[i]))) {
      return bad("bin edges must be finite and ascending", "bin_edges");
    }
  }
  return check_rules(figure.rules);
}

// Category labels may lean to the left of the plot; how far is known once the pitch is.
double left_overhang(const BarFigure& figure, double width) {
  if (!figure.bin_edges.empty()) return 0;
  Fragment trial;
  const auto n = static_cast<std::int64_t>(figure.series.front().y.size());
  return add_x_labels(trial, figure.categories, n, std::max(20.0, width - 60) / static_cast<double>(n), 0).overhang_low;
}

} // namespace

double AxisMap::pixel(double value) const {
  const double share =
      log ? (std::log(value) - std::log(low)) / (std::log(high) - std::log(low)) : (value - low) / (high - low);
  return from + share * (to - from);
}

Result<ChartBlock> make_chart(const BarFigure& figure, double width) {
  HS_TRY(check_bars(figure));
  const auto n = static_cast<std::int64_t>(figure.series.front().y.size());
  Plan<BarFigure> plan{figure, {}, y_range(figure.series, figure.rules, false)};
  plan.y.add(0, false);
  plan.y.finish(false, plan.y.low < 0 ? 0.05 : 0, plan.y.high > 0 ? 0.05 : 0);
  plan.x.low = figure.bin_edges.empty() ? 0 : figure.bin_edges.front();
  plan.x.high = figure.bin_edges.empty() ? static_cast<double>(n) : figure.bin_edges.back();
  plan.least_left = left_overhang(figure, width);
  ChartBlock block = start(plan, width);
  block.chart.bars = &figure;
  const double used = figure.bin_edges.empty() ? add_category_x(block, figure.categories, n) : add_numeric_x(block);
  add_x_title(block, {wrap(FontRole::axis, figure.x_axis, block.chart.plot.width, 2), {}}, used);
  return block;
}

Result<ChartBlock> make_chart(const LineFigure& figure, double width) {
  if (figure.series.empty()) return bad("a figure needs at least one series", "series");
  HS_TRY(check_rules(figure.rules));
  Plan<LineFigure> plan{figure, {}, y_range(figure.series, figure.rules, figure.log_y), figure.log_x, figure.log_y};
  for (std::size_t s = 0; s < figure.series.size(); ++s) {
    const Series& series = figure.series[s];
    HS_TRY(check_series(series, "series[" + std::to_string(s) + "]"));
    for (std::size_t i = 0; i < series.y.size(); ++i) {
      plan.x.add(series.x.empty() ? static_cast<double>(i) : series.x[i], figure.log_x);
    }
  }
  for (const Rule& rule : figure.rules) {
    if (rule.vertical) plan.x.add(rule.at, figure.log_x);
  }
  plan.x.finish(figure.log_x, 0.03, 0.03);
  plan.y.finish(figure.log_y, plan.y.low == 0 ? 0 : 0.05, 0.06);
  ChartBlock block = start(plan, width);
  block.chart.lines = &figure;
  const double used = add_numeric_x(block);
  add_x_title(block, {wrap(FontRole::axis, figure.x_axis, block.chart.plot.width, 2), {}}, used);
  return block;
}

} // namespace headscope::figures
