// SPDX-License-Identifier: GPL-3.0-or-later
// The circuit view: a graph of the open result file, or one made from ablation effects.
#pragma once

#include <functional>
#include <map>

#include <QLabel>
#include <QPushButton>
#include <QStackedLayout>

#include "app/gui/engine/edge_effect_job.h"
#include "app/gui/views/circuit/circuit_graph.h"
#include "app/gui/views/view.h"

class QSplitter;

namespace headscope::gui {

class ChartView;
class CircuitControls;
class DiscoverBar;
class FoldingColumn;
class GraphCanvas;

class OriginMark;

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
  DiscoverBar& discover() { return *discover_; }
  ChartView& curve_chart() { return *curve_chart_; }
  const std::optional<figures::LineFigure>& curve() const { return curve_; } // of the graph, where its file has one
  // Changes of the graph, each one step of Undo.
  void group_selected(const QString& name);
  void hide_selected();
  void annotate_selected(const QString& text);
  // What was changed, as a JSON file beside the result of the graph; a job. Where the graph has no file yet, asks for
  // one first.
  void save_edits();
  // Keeps a circuit that was found without a file, whole and with what was changed; a job.
  void save_found(const QString& path);
  // "12.3", "mlp 5" or a part of a name: selects that node and brings it into view. False: there is none.
  bool find_node(const QString& text);
  // Writes what is shown as a result file of its own, with what was changed beside it; a job.
  void save_graph(const QString& path, bool overwrite);

protected:
  void showEvent(QShowEvent* event) override;

private:
  friend class EditStep;
  void connect_controls();
  void connect_edits();
  void edit(const QString& what, const std::function<void(CircuitGraph&)>& change, bool redraw_now = true);
  bool apply_edits(std::uint64_t graph, const GraphEdits& edits); // false: that graph is gone
  std::optional<std::size_t> node_named(const QString& text) const;
  void connect_canvas();
  void update_sources();
  void load();
  // A graph of a file, with its curve.
  struct Loaded {
    CircuitGraph graph;
    std::optional<figures::LineFigure> curve = {};
    std::optional<Error> edits_error = {}; // of the file beside it
  };
  void read_file(const std::string& path, const std::string& name);
  void take(Loaded loaded);
  void take_graph(CircuitGraph graph, std::size_t edges);
  void restore();
  void keep_edits();
  void add_found(const QString& path, const QString& title, const Origin& made_of);
  void rebuild(bool on);
  double shown_share() const; // of all edges
  void redraw(bool keep_view);
  void show_edges();
  void show_count(std::size_t n);
  void select_nodes();
  void take_selection();
  void show_edge(int edge);
  void show_node_menu(std::size_t node, const QPoint& place);
  void show_edge_menu(int edge, const QPoint& place);
  void go_to_node(std::size_t node);
  QString edge_command(std::size_t edge) const; // that patches it; empty: none does
  void measure_edge();                          // on the pair of the patching view
  void patch_source();
  void ask_to_save();
  QString ask_for_file(const QString& title);
  QString node_text(std::size_t node) const;
  QString edge_text(std::size_t edge) const;
  std::optional<EdgeRef> edge_ref(std::size_t edge) const; // of the model's graph; unset for a group's

  CircuitControls* controls_;
  GraphCanvas* canvas_;
  QLabel *empty_, *details_;
  QPushButton* patch_;
  QStackedLayout* pages_;
  FoldingColumn* parts_ = nullptr;
  QSplitter* splitter_; // of graph and curve
  DiscoverBar* discover_;
  ChartView* curve_chart_;
  struct Found {
    QString path, title;
  };
  std::vector<Found> found_;           // by this window, in files of its own
  std::map<QString, Origin> found_of_; // what circuits that were found here are of, by file
  OriginMark* mark_ = nullptr;
  CircuitGraph graph_;
  std::optional<CircuitGraph> whole_; // of which graph_ is the circuit that was built
  std::int64_t rebuilt_of_ = 0;       // so many edges were asked for
  std::optional<figures::LineFigure> curve_;
  QString loaded_; // the source that graph_ comes from
  double threshold_ = 0.0;
  bool sources_stale_ = true;
};

} // namespace headscope::gui
