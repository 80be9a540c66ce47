// SPDX-License-Identifier: GPL-3.0-or-later
// The circuit view: a graph of the open result file, or one made from ablation effects.
#pragma once

#include <QLabel>
#include <QPushButton>
#include <QStackedLayout>

#include "app/gui/engine/edge_effect_job.h"
#include "app/gui/views/circuit/circuit_graph.h"
#include "app/gui/views/view.h"

namespace headscope::gui {

class CircuitControls;
class GraphCanvas;

class CircuitView : public View {
  Q_OBJECT
public:
  CircuitView(Workspace& workspace, QWidget* parent);

  std::optional<ViewExport> exported() const override;
  bool settled() const override;

  const CircuitGraph& graph() const { return graph_; }
  double threshold() const { return threshold_; }
  void set_threshold(double threshold);
  GraphCanvas& canvas() { return *canvas_; }
  // Starts a job that writes what is shown as a new result file.
  void save_graph(const QString& path, bool overwrite);

protected:
  void showEvent(QShowEvent* event) override;

private:
  void connect_controls();
  void connect_canvas();
  void update_sources();
  void load();
  void take(CircuitGraph graph);
  void redraw(bool keep_view);
  void show_edges();
  void show_count(std::size_t n);
  void select_nodes();
  void take_selection();
  void show_edge(int edge);
  void measure_edge(); // on the pair of the patching view
  void patch_source();
  void ask_to_save();
  QString node_text(std::size_t node) const;
  QString edge_text(std::size_t edge) const;
  std::optional<EdgeRef> edge_ref(std::size_t edge) const; // of the model's graph; unset for a group's

  CircuitControls* controls_;
  GraphCanvas* canvas_;
  QLabel *empty_, *details_;
  QPushButton* patch_;
  QStackedLayout* pages_;
  CircuitGraph graph_;
  QString loaded_; // the source that graph_ comes from
  double threshold_ = 0.0;
  bool sources_stale_ = true;
};

} // namespace headscope::gui
