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
#include <QValueAxis>

#include "app/gui/style/theme.h"

namespace headscope::gui {
namespace {

constexpr const char* muted = "muted"; // property of a series that is there for comparison

void set_axes(QChart& chart, double low, double high, const QString& x_title, double top, const QString& y_title) {
  auto* x = new QValueAxis;
  x->setRange(low, high);
  x->setTitleText(x_title);
  auto* y = new QValueAxis;
  y->setRange(0.0, top);
  y->setTitleText(y_title);
  x->setLabelFormat(QStringLiteral("%.3g"));
  for (QValueAxis* axis : {x, y})
    axis->setTickCount(3);
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

// Bars are steps of an area: bars by category cannot stand on an axis of numbers.
void show_histogram(QChart& chart, const Histogram& histogram, const QString& x_title) {
  empty(chart);
  if (histogram.counts.empty()) return;
  auto* steps = new QLineSeries;
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    const double gap = 0.06 * (histogram.edges[1] - histogram.edges[0]);
    steps->append(histogram.edges[i] + gap, 0.0);
    steps->append(histogram.edges[i] + gap, histogram.counts[i]);
    steps->append(histogram.edges[i + 1] - gap, histogram.counts[i]);
    steps->append(histogram.edges[i + 1] - gap, 0.0);
  }
  auto* area = new QAreaSeries(steps);
  steps->setParent(area);
  chart.addSeries(area);
  const int most = *std::max_element(histogram.counts.begin(), histogram.counts.end());
  set_axes(chart, histogram.edges.front(), histogram.edges.back(), x_title, most * 1.05, QObject::tr("heads"));
  if (auto* y = qobject_cast<QValueAxis*>(chart.axes(Qt::Vertical).value(0))) y->setLabelFormat(QStringLiteral("%.0f"));
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
  set_axes(chart, 0.0, static_cast<double>(shares.size()), QObject::tr("strongest heads"), 1.0,
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
  set_axes(chart, first, last, QObject::tr("heads masked"), most, lines.y_title);
  if (auto* y = qobject_cast<QValueAxis*>(chart.axes(Qt::Vertical).value(0))) {
    const double margin = most > least ? 0.05 * (most - least) : 0.5;
    y->setRange(std::min(least - margin, most - margin), most + margin);
    y->setLabelFormat(QStringLiteral("%.2f"));
  }
  dress(chart);
}

} // namespace headscope::gui
