// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/charts.h"

#include <algorithm>
#include <cmath>

#include <QApplication>
#include <QAreaSeries>
#include <QChart>
#include <QChartView>
#include <QLegend>
#include <QLineSeries>
#include <QLogValueAxis>
#include <QValueAxis>

#include "app/gui/style/theme.h"

namespace headscope::gui {
namespace {

constexpr const char* muted = "muted"; // property of a series that is there for comparison
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

QChartView* make_chart(const QString& accessible_name) {
  auto* chart = new QChart;
  chart->legend()->hide();
  chart->setMargins(QMargins(4, 4, 4, 4));
  chart->setBackgroundRoundness(0.0);
  auto* view = new QChartView(chart);
  view->setRenderHint(QPainter::Antialiasing);
  view->setAccessibleName(accessible_name);
  view->setFrameShape(QFrame::NoFrame);
  view->setMinimumSize(160, 120);
  dress(*chart);
  return view;
}

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
    axis->setLabelsBrush(inks().muted);
    axis->setTitleBrush(inks().muted);
    axis->setLinePen(QPen(inks().grid));
    axis->setGridLinePen(QPen(inks().grid));
  }
  for (QAbstractSeries* series : chart.series()) {
    if (auto* area = qobject_cast<QAreaSeries*>(series)) {
      area->setBrush(area->property(muted).toBool() ? inks().grid : inks().accent);
      area->setPen(QPen(Qt::NoPen));
    } else if (auto* line = qobject_cast<QLineSeries*>(series)) {
      const bool quiet = line->property(muted).toBool();
      line->setPen(QPen(quiet ? inks().muted : inks().accent, 2, quiet ? Qt::DashLine : Qt::SolidLine));
    }
  }
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

} // namespace

// Bars are drawn as steps of an area, since category bars cannot be placed on a numeric axis.
void show_histogram(QChart& chart, const Histogram& histogram, const QString& x_title) {
  empty(chart);
  if (histogram.counts.empty()) return;
  const int most = *std::max_element(histogram.counts.begin(), histogram.counts.end());
  const bool log = most > log_from;
  const double foot = log ? log_floor : 0.0, gap = 0.06 * (histogram.edges[1] - histogram.edges[0]);
  auto* steps = new QLineSeries;
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    const double top = std::max(foot, static_cast<double>(histogram.counts[i]));
    steps->append(histogram.edges[i] + gap, foot);
    steps->append(histogram.edges[i] + gap, top);
    steps->append(histogram.edges[i + 1] - gap, top);
    steps->append(histogram.edges[i + 1] - gap, foot);
  }
  auto* area = new QAreaSeries(steps);
  steps->setParent(area);
  chart.addSeries(area);
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

} // namespace headscope::gui
