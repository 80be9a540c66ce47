// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/circuit/circuit_controls.h"

#include <algorithm>
#include <cmath>

#include <QHBoxLayout>
#include <QMenu>
#include <QToolButton>
#include <QVBoxLayout>

#include "app/gui/style/follow_font.h"
#include "app/gui/views/circuit/circuit_graph.h"

namespace headscope::gui {
namespace {

constexpr int steps = 1000;            // of the slider
constexpr double weakest_share = 1e-7; // of the strongest score: what is weaker counts as nothing

} // namespace

CircuitControls::CircuitControls(QWidget* parent)
    : QWidget(parent), sources_(new QComboBox), slider_(new QSlider(Qt::Horizontal)), threshold_(new QDoubleSpinBox),
      top_(new QSpinBox), count_(new QLabel), find_(new QLineEdit) {
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
  find_->setObjectName(QStringLiteral("find"));
  find_->setAccessibleName(tr("Find a node"));
  find_->setPlaceholderText(tr("Find: 12.3, mlp 5"));
  find_->setToolTip(tr("A head (12.3), an MLP (mlp 5) or a part of a node's name, and Enter"));
  find_->setClearButtonEnabled(true);
  follow_font(*find_, [this] { find_->setMaximumWidth(find_->fontMetrics().averageCharWidth() * 26); });
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
  actions->addActions({group_selected, group_layers, ungroup});
  actions->addActions({hide, unhide, annotate, unpin});
  actions->addSeparator();
  actions->addAction(save_edits);
  actions->addAction(save);
  menu->setMenu(actions);
  auto* prune = new QToolButton;
  prune->setDefaultAction(rebuild);
  auto* top_row = new QHBoxLayout;
  top_row->addWidget(sources_, 1);
  top_row->addWidget(find_);
  top_row->addWidget(menu);
  auto* slider_row = new QHBoxLayout;
  slider_row->addWidget(slider_, 1);
  slider_row->addWidget(threshold_);
  slider_row->addWidget(top_);
  slider_row->addWidget(prune);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->addLayout(top_row);
  column->addLayout(slider_row);
  column->addWidget(count_);
  connect(sources_, &QComboBox::currentIndexChanged, this, [this] {
    if (!quiet_) Q_EMIT source_changed();
  });
  connect(find_, &QLineEdit::returnPressed, this, [this] { Q_EMIT node_wanted(find_->text().trimmed()); });
  connect(slider_, &QSlider::valueChanged, this, [this](int value) {
    if (!quiet_) Q_EMIT threshold_wanted(threshold_at(value));
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
  group_selected = new QAction(tr("&Group the selected nodes…"), this);
  group_layers = new QAction(tr("Group the heads of each &layer"), this);
  ungroup = new QAction(tr("&Ungroup"), this);
  unpin = new QAction(tr("Put &moved nodes back"), this);
  hide = new QAction(tr("&Hide the selected nodes"), this);
  unhide = new QAction(tr("Show h&idden nodes"), this);
  annotate = new QAction(tr("&Note at the selected node…"), this);
  save_edits = new QAction(tr("Save what was &changed beside the result"), this);
  rebuild = new QAction(tr("&Rebuild"), this);
  rebuild->setCheckable(true);
  rebuild->setToolTip(tr("Make a circuit of these edges: without those that are on no path from the input to the "
                         "logits. Again: back to all edges"));
  save = new QAction(tr("Save graph &as…"), this);
}

void CircuitControls::choose(const QString& id) { sources_->setCurrentIndex(sources_->findData(id)); }

// The slider's way is the logarithm of |score|, from the weakest score worth a place on it; its left end shows all.
double CircuitControls::threshold_at(int slider) const {
  if (slider == 0) return 0.0;
  if (slider == steps) return largest_;
  return weakest_ * std::pow(largest_ / weakest_, static_cast<double>(slider) / steps);
}

int CircuitControls::slider_at(double threshold) const {
  if (!(threshold > weakest_) || !(largest_ > weakest_)) return 0;
  const double share = std::log(threshold / weakest_) / std::log(largest_ / weakest_);
  return std::clamp(static_cast<int>(std::lround(steps * share)), 0, steps);
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
  largest_ = largest;
  weakest_ = largest * weakest_share;
  for (auto edge = graph.shown().edges.rbegin(); edge != graph.shown().edges.rend(); ++edge)
    if (std::abs(edge->score) > weakest_) {
      weakest_ = std::abs(edge->score);
      break;
    }
  threshold_->setDecimals(largest > 0 ? std::clamp(3 - static_cast<int>(std::floor(std::log10(largest))), 0, 9) : 3);
  threshold_->setRange(0.0, largest);
  threshold_->setSingleStep(largest / 50);
  threshold_->setValue(threshold);
  top_->setRange(0, static_cast<int>(n_edges_));
  top_->setValue(static_cast<int>(n));
  if (n_edges_ > 0 && std::abs(threshold_at(slider_->value()) - threshold) > 1e-9 * largest)
    slider_->setValue(slider_at(threshold));
  for (QWidget* widget :
       {static_cast<QWidget*>(slider_), static_cast<QWidget*>(threshold_), static_cast<QWidget*>(top_)})
    widget->setEnabled(n_edges_ > 0);
  quiet_ = false;
}

} // namespace headscope::gui
