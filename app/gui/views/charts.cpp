// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/charts.h"

#include <algorithm>
#include <cmath>

#include <QApplication>
#include <QAreaSeries>
#include <QBarCategoryAxis>
#include <QBarSet>
#include <QCategoryAxis>
#include <QChart>
#include <QEvent>
#include <QHorizontalBarSeries>
#include <QLegend>
#include <QLegendMarker>
#include <QLineSeries>
#include <QLogValueAxis>
#include <QScatterSeries>
#include <QValueAxis>

#include "app/figures/graph_look.h"
#include "app/gui/style/follow_font.h"
#include "app/gui/style/theme.h"

namespace headscope::gui {
namespace {

constexpr const char* muted = "muted"; // property of a series that is there for comparison
constexpr const char* kind = "kind";   // property of a series in the colour of a kind of node
constexpr const char* bare = "bare";   // property of a chart whose bars say all: its axes have names and no lines
constexpr int log_from = 50;           // of the highest bar
constexpr double log_floor = 0.7;      // below a count of 1, so that one head is a bar

QValueAxis* value_axis(double low, double high) {
  auto* axis = new QValueAxis;
  axis->setRange(low, high);
  axis->setTickCount(3);
  return axis;
}

void set_axes(QChart& chart, double low, double high, const QString& x_title, QAbstractAxis* y,
              const QString& y_title) {
  QValueAxis* x = value_axis(low, high);
  x->setTitleText(x_title);
  x->setLabelFormat(QStringLiteral("%.3g"));
  y->setTitleText(y_title);
  chart.addAxis(x, Qt::AlignBottom);
  chart.addAxis(y, Qt::AlignLeft);
  for (QAbstractSeries* series : chart.series()) {
    series->attachAxis(x);
    series->attachAxis(y);
  }
}

void empty(QChart& chart) {
  chart.removeAllSeries();
  for (QAbstractAxis* axis : chart.axes()) {
    chart.removeAxis(axis);
    delete axis;
  }
}

} // namespace

ChartView::ChartView(const QString& accessible_name, QWidget* parent) : QChartView(new QChart, parent) {
  chart()->legend()->hide();
  chart()->setMargins(QMargins(4, 4, 4, 4));
  chart()->setBackgroundRoundness(0.0);
  setRenderHint(QPainter::Antialiasing);
  setAccessibleName(accessible_name);
  setFrameShape(QFrame::NoFrame);
  // Less height, and Qt Charts leaves the labels of the axes out.
  follow_font(*this, [this] { setMinimumSize(160, 8 * fontMetrics().height()); });
  dress(*chart());
}

void ChartView::changeEvent(QEvent* event) {
  QChartView::changeEvent(event);
  if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) dress(*chart());
}

QChartView* make_chart(const QString& accessible_name) { return new ChartView(accessible_name); }

namespace {

QColor series_color(const QAbstractSeries& series) {
  const QVariant node = series.property(kind);
  if (!node.isValid()) return inks().accent;
  return QColor(QRgb(figures::node_ink(static_cast<figures::NodeKind>(node.toInt()), is_dark()).line));
}

void dress_series(QAbstractSeries& series) {
  if (auto* area = qobject_cast<QAreaSeries*>(&series)) {
    area->setBrush(area->property(muted).toBool() ? inks().grid : series_color(*area));
    area->setPen(QPen(Qt::NoPen));
  } else if (auto* line = qobject_cast<QLineSeries*>(&series)) {
    const bool quiet = line->property(muted).toBool();
    const QColor color = quiet ? inks().muted : series_color(*line);
    line->setPen(QPen(color, quiet ? 1 : 2, quiet ? Qt::DashLine : Qt::SolidLine));
  } else if (auto* marks = qobject_cast<QScatterSeries*>(&series)) {
    marks->setColor(inks().warning);
    marks->setBorderColor(inks().page);
    marks->setMarkerSize(11.0);
  } else if (auto* bars = qobject_cast<QAbstractBarSeries*>(&series)) {
    for (QBarSet* set : bars->barSets()) {
      set->setBrush(set->property(muted).toBool() ? inks().muted : inks().accent);
      set->setPen(QPen(Qt::NoPen));
    }
  }
}

} // namespace

void dress(QChart& chart) {
  const QFont font = QApplication::font();
  chart.setBackgroundBrush(QApplication::palette().color(QPalette::Window));
  chart.setTitleBrush(inks().text);
  chart.setTitleFont(font);
  chart.legend()->setFont(font);
  chart.legend()->setLabelBrush(inks().muted);
  for (QAbstractAxis* axis : chart.axes()) {
    axis->setLabelsFont(font);
    axis->setTitleFont(font);
    axis->setLabelsBrush(chart.property(bare).toBool() ? inks().text : inks().muted);
    axis->setTitleBrush(inks().muted);
    axis->setLinePen(QPen(inks().grid));
    axis->setGridLinePen(QPen(inks().grid));
  }
  for (QAbstractSeries* series : chart.series())
    dress_series(*series);
  for (QLegendMarker* marker : chart.legend()->markers())
    if (marker->series()->type() == QAbstractSeries::SeriesTypeArea) marker->setPen(QPen(Qt::NoPen));
}

Histogram histogram_of(const std::vector<float>& values, int bins) {
  Histogram histogram;
  double low = INFINITY, high = -INFINITY;
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, static_cast<double>(value));
    high = std::max(high, static_cast<double>(value));
  }
  if (!(low <= high) || bins < 1) return histogram;
  if (low == high) high = low + 1.0;
  if (low > 0.0 && low < 0.02 * high) low = 0.0; // so that the axis begins with a number that can be read
  const double width = (high - low) / bins;
  for (int i = 0; i <= bins; ++i)
    histogram.edges.push_back(low + width * i);
  histogram.counts.assign(static_cast<std::size_t>(bins), 0);
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    const int bin = std::clamp(static_cast<int>((static_cast<double>(value) - low) / width), 0, bins - 1);
    ++histogram.counts[static_cast<std::size_t>(bin)];
  }
  return histogram;
}

std::vector<double> cumulative_share(const std::vector<float>& values) {
  std::vector<double> sorted;
  double total = 0.0;
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    sorted.push_back(std::max(0.0, static_cast<double>(value)));
    total += sorted.back();
  }
  if (!(total > 0.0)) return {};
  std::sort(sorted.rbegin(), sorted.rend());
  double sum = 0.0;
  for (double& value : sorted) {
    sum += value;
    value = sum / total;
  }
  return sorted;
}

namespace {

// Most heads score near 0: where one bar would leave the others no height, counts are on a logarithmic axis.
QAbstractAxis* count_axis(int most, bool log) {
  if (log) {
    auto* axis = new QLogValueAxis;
    axis->setBase(10.0);
    axis->setRange(log_floor, most * 1.3);
    axis->setLabelFormat(QStringLiteral("%.0f"));
    return axis;
  }
  QValueAxis* axis = value_axis(0.0, most * 1.05);
  axis->setLabelFormat(QStringLiteral("%.0f"));
  return axis;
}

struct Bar {
  double left = 0.0, right = 0.0, to = 0.0;
};

// Bars are steps of an area: bars by category cannot stand on an axis of numbers.
QAreaSeries* steps(const std::vector<Bar>& bars, double foot) {
  auto* upper = new QLineSeries;
  auto* lower = new QLineSeries;
  for (const Bar& bar : bars) {
    upper->append(bar.left, foot);
    upper->append(bar.left, bar.to);
    upper->append(bar.right, bar.to);
    upper->append(bar.right, foot);
  }
  lower->append(bars.front().left, foot);
  lower->append(bars.back().right, foot);
  auto* area = new QAreaSeries(upper, lower);
  upper->setParent(area);
  lower->setParent(area);
  return area;
}

} // namespace

void show_histogram(QChart& chart, const Histogram& histogram, const QString& x_title) {
  empty(chart);
  if (histogram.counts.empty()) return;
  const int most = *std::max_element(histogram.counts.begin(), histogram.counts.end());
  const bool log = most > log_from;
  const double foot = log ? log_floor : 0.0, gap = 0.06 * (histogram.edges[1] - histogram.edges[0]);
  std::vector<Bar> bars;
  for (std::size_t i = 0; i < histogram.counts.size(); ++i)
    bars.push_back({histogram.edges[i] + gap, histogram.edges[i + 1] - gap,
                    std::max(foot, static_cast<double>(histogram.counts[i]))});
  chart.addSeries(steps(bars, foot));
  set_axes(chart, histogram.edges.front(), histogram.edges.back(), x_title, count_axis(most, log),
           QObject::tr("heads"));
  dress(chart);
}

void show_cumulative(QChart& chart, const std::vector<double>& shares) {
  empty(chart);
  if (shares.empty()) return;
  auto* line = new QLineSeries;
  line->append(0.0, 0.0);
  for (std::size_t i = 0; i < shares.size(); ++i)
    line->append(static_cast<double>(i + 1), shares[i]);
  chart.addSeries(line);
  set_axes(chart, 0.0, static_cast<double>(shares.size()), QObject::tr("strongest heads"), value_axis(0.0, 1.0),
           QObject::tr("share of the total"));
  if (auto* x = qobject_cast<QValueAxis*>(chart.axes(Qt::Horizontal).value(0)))
    x->setLabelFormat(QStringLiteral("%.0f"));
  dress(chart);
}

// The range of the random heads is an area, their mean and the unmasked run are dashed, the strongest heads are drawn
// in full and last.
void show_masking(QChart& chart, const MaskingLines& lines) {
  empty(chart);
  chart.legend()->setVisible(!lines.points.empty());
  if (lines.points.empty()) return;
  auto* low = new QLineSeries;
  auto* high = new QLineSeries;
  auto* random = new QLineSeries;
  auto* strongest = new QLineSeries;
  double least = INFINITY, most = -INFINITY;
  if (std::isfinite(lines.clean)) least = most = lines.clean;
  for (const MaskingLines::Point& point : lines.points) {
    for (const double value : {point.strongest, point.random_low, point.random_high}) {
      if (!std::isfinite(value)) continue;
      least = std::min(least, value);
      most = std::max(most, value);
    }
    if (std::isfinite(point.strongest)) strongest->append(point.heads, point.strongest);
    if (!std::isfinite(point.random)) continue;
    low->append(point.heads, point.random_low);
    high->append(point.heads, point.random_high);
    random->append(point.heads, point.random);
  }
  const double first = std::min(0.0, lines.points.front().heads), last = lines.points.back().heads;
  auto* range = new QAreaSeries(high, low);
  high->setParent(range);
  low->setParent(range);
  range->setName(QObject::tr("random heads, range"));
  random->setName(QObject::tr("random heads"));
  strongest->setName(QObject::tr("strongest heads"));
  range->setProperty(muted, true);
  random->setProperty(muted, true);
  chart.addSeries(range);
  if (std::isfinite(lines.clean)) {
    auto* clean = new QLineSeries;
    clean->append(first, lines.clean);
    clean->append(last, lines.clean);
    clean->setName(QObject::tr("nothing masked"));
    clean->setProperty(muted, true);
    chart.addSeries(clean);
  }
  chart.addSeries(random);
  chart.addSeries(strongest);
  const double margin = most > least ? 0.05 * (most - least) : 0.5;
  QValueAxis* y = value_axis(least - margin, most + margin);
  y->setLabelFormat(QStringLiteral("%.2f"));
  set_axes(chart, first, last, QObject::tr("heads masked"), y, lines.y_title);
  dress(chart);
}

// ---- Lines of a figure

std::optional<double> value_at(const figures::Series& line, double x, bool log_x) {
  const auto scaled = [log_x](double value) { return log_x ? std::log10(value) : value; };
  for (std::size_t i = 0; i < line.x.size(); ++i) {
    if (line.x[i] == x && std::isfinite(line.y[i])) return line.y[i];
    if (i == 0 || !(line.x[i - 1] < x && x < line.x[i])) continue;
    const double share = (scaled(x) - scaled(line.x[i - 1])) / (scaled(line.x[i]) - scaled(line.x[i - 1]));
    const double y = line.y[i - 1] + share * (line.y[i] - line.y[i - 1]);
    return std::isfinite(y) ? std::optional(y) : std::nullopt;
  }
  return std::nullopt;
}

namespace {

struct Range {
  double low = INFINITY, high = -INFINITY;
  void take(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

QAbstractAxis* x_axis(const figures::LineFigure& figure, const Range& x) {
  QAbstractAxis* axis = nullptr;
  if (figure.log_x && x.low > 0.0) {
    auto* log = new QLogValueAxis;
    log->setBase(10.0);
    log->setRange(x.low, x.high);
    log->setLabelFormat(QStringLiteral("%g"));
    axis = log;
  } else {
    axis = value_axis(x.low, x.high);
  }
  axis->setTitleText(QString::fromStdString(figure.x_axis));
  return axis;
}

// Levels that lines are compared with, from one end of the axis to the other.
QLineSeries* level(const figures::Rule& rule, const Range& x) {
  auto* line = new QLineSeries;
  line->append(x.low, rule.at);
  line->append(x.high, rule.at);
  line->setProperty(muted, true);
  return line;
}

} // namespace

void show_lines(QChart& chart, const figures::LineFigure& figure, double at) {
  empty(chart);
  chart.legend()->setVisible(!figure.series.empty());
  if (figure.series.empty()) return;
  Range x, y;
  for (const figures::Series& line : figure.series)
    for (std::size_t i = 0; i < line.y.size(); ++i) {
      x.take(line.x[i]);
      y.take(line.y[i]);
    }
  for (const figures::Rule& rule : figure.rules)
    y.take(rule.at);
  if (!(x.low < x.high) || !(y.low <= y.high)) return;
  for (const figures::Rule& rule : figure.rules)
    chart.addSeries(level(rule, x));
  for (std::size_t i = 0; i < figure.series.size(); ++i) {
    auto* line = new QLineSeries;
    for (std::size_t point = 0; point < figure.series[i].y.size(); ++point)
      if (std::isfinite(figure.series[i].y[point])) line->append(figure.series[i].x[point], figure.series[i].y[point]);
    line->setName(QString::fromStdString(figure.series[i].name));
    line->setProperty(kind, static_cast<int>(i == 0 ? figures::NodeKind::head : figures::NodeKind::mlp));
    line->setPointsVisible(true);
    chart.addSeries(line);
  }
  chart.addSeries(new QScatterSeries); // of mark_lines()
  chart.legend()->setAlignment(Qt::AlignRight);
  QAbstractAxis* below = x_axis(figure, x);
  const double margin = y.high > y.low ? 0.05 * (y.high - y.low) : 0.5;
  QValueAxis* beside = value_axis(y.low - margin, y.high + margin);
  beside->setLabelFormat(QStringLiteral("%.2f"));
  beside->setTitleText(QString::fromStdString(figure.y_axis));
  chart.addAxis(below, Qt::AlignBottom);
  chart.addAxis(beside, Qt::AlignLeft);
  for (QAbstractSeries* series : chart.series()) {
    series->attachAxis(below);
    series->attachAxis(beside);
    if (series->name().isEmpty())
      for (QLegendMarker* marker : chart.legend()->markers(series))
        marker->setVisible(false);
  }
  mark_lines(chart, figure, at);
  dress(chart);
}

void mark_lines(QChart& chart, const figures::LineFigure& figure, double at) {
  QList<QPointF> points;
  for (const figures::Series& line : figure.series)
    if (const auto y = value_at(line, at, figure.log_x)) points.append({at, *y});
  for (QAbstractSeries* series : chart.series())
    if (auto* mark = qobject_cast<QScatterSeries*>(series)) mark->replace(points);
}

// ---- By layer

namespace {

QAreaSeries* node_bars(const std::vector<Bar>& bars, figures::NodeKind node, const QString& name) {
  QAreaSeries* area = steps(bars, 0.0);
  area->setName(name);
  area->setProperty(kind, static_cast<int>(node));
  return area;
}

// Names as many layers as have room at any usual width.
QCategoryAxis* layer_axis(int n_layers) {
  auto* axis = new QCategoryAxis;
  axis->setLabelsPosition(QCategoryAxis::AxisLabelsPositionOnValue);
  axis->setStartValue(-1.5);
  const int step = std::max(1, (n_layers + 15) / 16);
  for (int layer = 0; layer < n_layers; layer += step)
    axis->append(QString::number(layer), layer);
  axis->setRange(-1.5, n_layers - 0.5);
  axis->setGridLineVisible(false);
  axis->setTitleText(QObject::tr("layer"));
  return axis;
}

} // namespace

void show_layers(QChart& chart, const LayerValues& values) {
  empty(chart);
  const std::size_t n_layers = values.attention.size();
  chart.legend()->setVisible(n_layers > 0);
  if (n_layers == 0) return;
  double largest = std::abs(values.input);
  std::vector<Bar> attention, mlps;
  for (std::size_t i = 0; i < n_layers; ++i) {
    const auto layer = static_cast<double>(i);
    attention.push_back({layer - layer_bar, layer, values.attention[i]});
    mlps.push_back({layer, layer + layer_bar, values.mlps[i]});
    largest = std::max({largest, std::abs(values.attention[i]), std::abs(values.mlps[i])});
  }
  if (largest <= 0.0) largest = 1.0;
  QAreaSeries* mark = steps({{0.0, 0.0, 0.0}}, -largest);
  mark->setProperty(muted, true);
  mark->setName({});
  chart.addSeries(mark); // first, and so behind the bars
  chart.addSeries(node_bars({{-1.0 - layer_bar, -1.0 + layer_bar, values.input}}, figures::NodeKind::input,
                            QObject::tr("embedding")));
  chart.addSeries(node_bars(attention, figures::NodeKind::head, QObject::tr("attention")));
  chart.addSeries(node_bars(mlps, figures::NodeKind::mlp, QObject::tr("MLP")));
  chart.legend()->setAlignment(Qt::AlignTop);
  for (QLegendMarker* marker : chart.legend()->markers(mark))
    marker->setVisible(false);
  QCategoryAxis* x = layer_axis(static_cast<int>(n_layers));
  QValueAxis* y = value_axis(-largest, largest);
  y->setLabelFormat(QStringLiteral("%.3g"));
  y->setTitleText(QObject::tr("logits"));
  chart.addAxis(x, Qt::AlignBottom);
  chart.addAxis(y, Qt::AlignLeft);
  for (QAbstractSeries* series : chart.series()) {
    series->attachAxis(x);
    series->attachAxis(y);
  }
  mark_layer(chart, std::nullopt);
  dress(chart);
}

void mark_layer(QChart& chart, std::optional<int> layer) {
  auto* mark = chart.series().isEmpty() ? nullptr : qobject_cast<QAreaSeries*>(chart.series().constFirst());
  const auto* y = qobject_cast<QValueAxis*>(chart.axes(Qt::Vertical).value(0));
  if (mark == nullptr || y == nullptr) return;
  // Nothing wide where no layer is marked: a series that is hidden and shown again comes back to the legend.
  const double left = layer.value_or(0) - 0.5, right = left + (layer ? 1.0 : 0.0);
  mark->upperSeries()->replace(QList<QPointF>{{left, y->max()}, {right, y->max()}});
  mark->lowerSeries()->replace(QList<QPointF>{{left, y->min()}, {right, y->min()}});
}

// ---- Pairs of bars

namespace {

// An axis drops a name that it has already: those become different by characters that nobody sees.
QStringList told_apart(const QStringList& names) {
  QStringList out;
  for (QString name : names) {
    while (out.contains(name))
      name += QChar(0x200B);
    out.append(name);
  }
  return out;
}

// From the bottom up, as Qt counts; its bars know no reversed axis.
QBarCategoryAxis* name_axis(QStringList names) {
  std::reverse(names.begin(), names.end());
  auto* axis = new QBarCategoryAxis;
  axis->append(told_apart(names));
  axis->setGridLineVisible(false);
  axis->setLineVisible(false);
  return axis;
}

} // namespace

void show_pairs(QChart& chart, const BarPairs& pairs) {
  empty(chart);
  chart.legend()->setVisible(!pairs.names.isEmpty());
  if (pairs.names.isEmpty()) return;
  chart.setProperty(bare, true);
  auto* bars = new QHorizontalBarSeries;
  bars->setBarWidth(0.8);
  const auto add = [&](const QString& name, const std::vector<double>& values, bool quiet) {
    auto* set = new QBarSet(name);
    set->setProperty(muted, quiet);
    for (auto value = values.rbegin(); value != values.rend(); ++value)
      set->append(*value);
    bars->append(set);
  };
  if (!pairs.second_values.empty()) add(pairs.second, pairs.second_values, false);
  add(pairs.first, pairs.first_values, true);
  chart.addSeries(bars);
  chart.legend()->setAlignment(Qt::AlignTop);
  chart.legend()->setReverseMarkers(true);
  QStringList names;
  for (const QString& name : pairs.names)
    names.append(name.toHtmlEscaped()); // axes take rich text
  QBarCategoryAxis* left = name_axis(names);
  QBarCategoryAxis* right = name_axis(pairs.notes);
  QValueAxis* x = value_axis(0.0, pairs.longest);
  x->setVisible(false);
  chart.addAxis(left, Qt::AlignLeft);
  chart.addAxis(right, Qt::AlignRight);
  chart.addAxis(x, Qt::AlignBottom);
  for (QAbstractAxis* axis :
       {static_cast<QAbstractAxis*>(left), static_cast<QAbstractAxis*>(right), static_cast<QAbstractAxis*>(x)})
    bars->attachAxis(axis);
  dress(chart);
}

} // namespace headscope::gui
