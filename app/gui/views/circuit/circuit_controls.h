// SPDX-License-Identifier: GPL-3.0-or-later
// The bar above the circuit graph: which graph, how many of its edges, and what can be done with it.
#pragma once

#include <QAction>
#include <QComboBox>
#include <QDoubleSpinBox>
#include <QLabel>
#include <QLineEdit>
#include <QSlider>
#include <QSpinBox>
#include <QWidget>

namespace headscope::gui {

class CircuitGraph;

class CircuitControls : public QWidget {
  Q_OBJECT
public:
  explicit CircuitControls(QWidget* parent = nullptr);

  struct Source {
    QString id, title;
    friend bool operator==(const Source&, const Source&) = default;
  };
  // Sets the sources; keeps the chosen one where it is still there.
  void set_sources(const std::vector<Source>& sources);
  void choose(const QString& id);
  QString source() const { return sources_->currentData().toString(); }
  // Shows how many edges the graph has, and how many are shown.
  void show_graph(const CircuitGraph& graph, double threshold);
  void set_note(const QString& text) { count_->setText(text); }

  QAction *fit, *rightwards, *show_all, *group_selected, *group_layers, *ungroup, *unpin, *hide, *unhide, *annotate,
      *save_edits, *save, *rebuild;

Q_SIGNALS:
  void source_changed();
  void edges_wanted(std::size_t n); // the n strongest
  void threshold_wanted(double threshold);
  void node_wanted(const QString& text); // "12.3", "mlp 5" or a name

private:
  void make_menu();
  double threshold_at(int slider) const;
  int slider_at(double threshold) const;

  QComboBox* sources_;
  QSlider* slider_;
  QDoubleSpinBox* threshold_;
  QSpinBox* top_;
  QLabel* count_;
  QLineEdit* find_;
  std::size_t n_edges_ = 0;
  double weakest_ = 0.0, largest_ = 0.0; // |score| at the ends of the slider
  bool quiet_ = false;
};

} // namespace headscope::gui
