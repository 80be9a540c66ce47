// SPDX-License-Identifier: GPL-3.0-or-later
// Draws Qt Charts in the colours and fonts of the window.
#pragma once

#include <vector>

#include <QString>

QT_BEGIN_NAMESPACE
class QChart;
class QChartView;
QT_END_NAMESPACE

namespace headscope::gui {

QChartView* make_chart(const QString& accessible_name);
// Styles a chart; call it once series and axes exist, and whenever the theme changes.
void dress(QChart& chart);

struct Histogram {
  std::vector<double> edges; // one more than counts
  std::vector<int> counts;
};
// A histogram of the finite values, in bins of equal width; no bins without values.
Histogram histogram_of(const std::vector<float>& values, int bins);
// The share of the total in the strongest 1, 2, 3, … values; values below zero count as zero.
std::vector<double> cumulative_share(const std::vector<float>& values);

// The lines of a masking experiment, by the number of masked heads; NaN: not measured.
struct MaskingLines {
  struct Point {
    double heads = 0.0, strongest = 0.0, random = 0.0, random_low = 0.0, random_high = 0.0;
  };
  std::vector<Point> points;
  double clean = 0.0; // with nothing masked
  QString y_title;
};

void show_histogram(QChart& chart, const Histogram& histogram, const QString& x_title);
void show_cumulative(QChart& chart, const std::vector<double>& shares);
void show_masking(QChart& chart, const MaskingLines& lines);

} // namespace headscope::gui
