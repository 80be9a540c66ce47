// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/circuit/circuit_controls.h"

#include <algorithm>
#include <cmath>

#include <QHBoxLayout>
#include <QMenu>
#include <QToolButton>
#include <QVBoxLayout>

#include "app/gui/views/circuit/circuit_graph.h"

namespace headscope::gui {
namespace {

constexpr int steps = 1000;

} // namespace

CircuitControls::CircuitControls(QWidget* parent)
    : QWidget(parent), sources_(new QComboBox), slider_(new QSlider(Qt::Horizontal)), threshold_(new QDoubleSpinBox),
      top_(new QSpinBox), count_(new QLabel) {
  sources_->setAccessibleName(tr("Graph"));
  sources_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  sources_->setMinimumContentsLength(12);
  slider_->setRange(0, steps);
  slider_->setAccessibleName(tr("Edge threshold"));
  slider_->setToolTip(tr("Further to the right only stronger edges are shown"));
  threshold_->setAccessibleName(tr("Smallest edge score"));
  threshold_->setToolTip(tr("Edges whose score is at least this far from 0 are shown"));
  threshold_->setPrefix(tr("|score| ≥ "));
  threshold_->setKeyboardTracking(false);
  top_->setAccessibleName(tr("Number of edges"));
  top_->setToolTip(tr("Show so many edges, the strongest"));
  top_->setPrefix(tr("top "));
  top_->setKeyboardTracking(false);
  count_->setWordWrap(true);
  count_->setForegroundRole(QPalette::PlaceholderText);
  auto* menu = new QToolButton;
  menu->setText(tr("Graph"));
  menu->setAccessibleName(tr("What to do with the graph"));
  menu->setPopupMode(QToolButton::InstantPopup);
  menu->setToolButtonStyle(Qt::ToolButtonTextOnly);
  make_menu();
  auto* actions = new QMenu(menu);
  actions->addActions({fit, rightwards, show_all});
  actions->addSeparator();
  actions->addActions({group_selected, group_layers, ungroup, unpin});
  actions->addSeparator();
  actions->addAction(save);
  menu->setMenu(actions);
  auto* top_row = new QHBoxLayout;
  top_row->addWidget(sources_, 1);
  top_row->addWidget(menu);
  auto* slider_row = new QHBoxLayout;
  slider_row->addWidget(slider_, 1);
  slider_row->addWidget(threshold_);
  slider_row->addWidget(top_);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->addLayout(top_row);
  column->addLayout(slider_row);
  column->addWidget(count_);
  connect(sources_, &QComboBox::currentIndexChanged, this, [this] {
    if (!quiet_) Q_EMIT source_changed();
  });
  connect(slider_, &QSlider::valueChanged, this, [this](int value) {
    if (!quiet_) Q_EMIT edges_wanted(edges_at(value));
  });
  connect(top_, &QSpinBox::valueChanged, this, [this](int value) {
    if (!quiet_) Q_EMIT edges_wanted(static_cast<std::size_t>(value));
  });
  connect(threshold_, &QDoubleSpinBox::valueChanged, this, [this](double value) {
    if (!quiet_) Q_EMIT threshold_wanted(value);
  });
}

void CircuitControls::make_menu() {
  fit = new QAction(tr("&Show all of it"), this);
  rightwards = new QAction(tr("Layers from left to &right"), this);
  rightwards->setCheckable(true);
  show_all = new QAction(tr("Also nodes &without edges"), this);
  show_all->setCheckable(true);
  group_selected = new QAction(tr("&Group the selected nodes"), this);
  group_layers = new QAction(tr("Group the heads of each &layer"), this);
  ungroup = new QAction(tr("&Ungroup"), this);
  unpin = new QAction(tr("Put &moved nodes back"), this);
  save = new QAction(tr("Save graph &as…"), this);
}

// Of the slider's way each part takes the same share of the edges away: useful for any distribution of scores.
std::size_t CircuitControls::edges_at(int slider) const {
  if (n_edges_ == 0) return 0;
  const double left = 1.0 - static_cast<double>(slider) / steps;
  return static_cast<std::size_t>(std::lround(std::pow(static_cast<double>(n_edges_), left)));
}

void CircuitControls::set_sources(const std::vector<Source>& sources) {
  const QString chosen = source();
  quiet_ = true;
  sources_->clear();
  for (const Source& each : sources)
    sources_->addItem(each.title, each.id);
  const int at = sources_->findData(chosen);
  sources_->setCurrentIndex(at >= 0 ? at : sources.empty() ? -1 : 0);
  quiet_ = false;
  if (source() != chosen) Q_EMIT source_changed();
}

void CircuitControls::show_graph(const CircuitGraph& graph, double threshold) {
  quiet_ = true;
  n_edges_ = graph.shown().edges.size();
  const std::size_t n = graph.count(threshold);
  const double largest = graph.largest();
  threshold_->setDecimals(largest > 0 ? std::clamp(3 - static_cast<int>(std::floor(std::log10(largest))), 0, 9) : 3);
  threshold_->setRange(0.0, largest);
  threshold_->setSingleStep(largest / 50);
  threshold_->setValue(threshold);
  top_->setRange(0, static_cast<int>(n_edges_));
  top_->setValue(static_cast<int>(n));
  if (n_edges_ > 1 && edges_at(slider_->value()) != n)
    slider_->setValue(
        static_cast<int>(std::lround(steps * (1.0 - std::log(static_cast<double>(std::max<std::size_t>(n, 1))) /
                                                        std::log(static_cast<double>(n_edges_))))));
  for (QWidget* widget :
       {static_cast<QWidget*>(slider_), static_cast<QWidget*>(threshold_), static_cast<QWidget*>(top_)})
    widget->setEnabled(n_edges_ > 0);
  quiet_ = false;
}

} // namespace headscope::gui
