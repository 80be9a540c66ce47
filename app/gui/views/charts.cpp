// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/charts.h"

#include <algorithm>
#include <cmath>

#include <QApplication>
#include <QAreaSeries>
#include <QChart>
#include <QChartView>
#include <QLineSeries>
#include <QValueAxis>

#include "app/gui/style/theme.h"

namespace headscope::gui {
namespace {

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
      area->setBrush(inks().accent);
      area->setPen(QPen(Qt::NoPen));
    } else if (auto* line = qobject_cast<QLineSeries*>(series)) {
      line->setPen(QPen(inks().accent, 2));
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

} // namespace headscope::gui
