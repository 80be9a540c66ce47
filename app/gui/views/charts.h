// SPDX-License-Identifier: GPL-3.0-or-later
// Draws Qt Charts in the colours and fonts of the window.
#pragma once

#include <optional>
#include <vector>

#include <QChartView>
#include <QString>

#include "app/figures/figure.h"

QT_BEGIN_NAMESPACE
class QChart;
QT_END_NAMESPACE

namespace headscope::gui {

// An empty chart that follows the theme and the font by itself.
class ChartView : public QChartView {
public:
  explicit ChartView(const QString& accessible_name, QWidget* parent = nullptr);

protected:
  void changeEvent(QEvent* event) override;
};

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

// By layer: two bars each, after the one of what comes before all layers.
struct LayerValues {
  double input = 0.0;
  std::vector<double> attention, mlps; // [layer]
};
constexpr double layer_bar = 0.4; // of two bars beside each other, of a layer's width

// Two bars by name, the first name on top.
struct BarPairs {
  QString first, second; // what the bars are
  QStringList names;
  QStringList notes;                               // plain or rich text on the right of the bars, one a name
  std::vector<double> first_values, second_values; // no second ones: one bar each
  double longest = 1.0;                            // of full length
};

// The lines of a figure; `at`: the place along x that is marked on each of them.
void show_lines(QChart& chart, const figures::LineFigure& figure, double at);
// After show_lines(), which has made the marks.
void mark_lines(QChart& chart, const figures::LineFigure& figure, double at);
// Between the two points around it, straight on the axis as it is drawn; unset outside of the line.
std::optional<double> value_at(const figures::Series& line, double x, bool log_x);

void show_layers(QChart& chart, const LayerValues& values);
// Unset: no layer is marked. After show_layers().
void mark_layer(QChart& chart, std::optional<int> layer);
void show_pairs(QChart& chart, const BarPairs& pairs);
void show_histogram(QChart& chart, const Histogram& histogram, const QString& x_title);
void show_cumulative(QChart& chart, const std::vector<double>& shares);
void show_masking(QChart& chart, const MaskingLines& lines);

} // namespace headscope::gui
