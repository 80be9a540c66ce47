// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/circuit/circuit_view.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <QChart>
#include <QCoreApplication>
#include <QFileDialog>
#include <QFileInfo>
#include <QGraphicsLayout>
#include <QHBoxLayout>
#include <QInputDialog>
#include <QPointer>
#include <QRegularExpression>
#include <QSplitter>
#include <QUndoCommand>
#include <QVBoxLayout>

#include "app/gui/files/file_state.h"
#include "app/gui/files/graph_file.h"
#include "app/gui/style/folding_column.h"
#include "app/gui/style/follow_font.h"
#include "app/gui/style/theme.h"
#include "app/gui/views/charts.h"
#include "app/gui/views/circuit/ablation_graph.h"
#include "app/gui/views/circuit/circuit_controls.h"
#include "app/gui/views/circuit/discover_bar.h"
#include "app/gui/views/circuit/graph_canvas.h"
#include "app/gui/views/origin/origin_mark.h"
#include "app/gui/views/view_list.h"
#include "app/result_figures/graph_figure.h"

namespace headscope::gui {
namespace {

constexpr std::size_t first_edges = 40;   // shown of a new graph
constexpr std::size_t most_edges = 20000; // drawn at once

const QString graph_prefix = QStringLiteral("graph:"), score_prefix = QStringLiteral("scores:"),
              kept_kind = QStringLiteral("circuit"), found_prefix = QStringLiteral("found:");

QString number(double value) { return QString::number(value, 'g', 4).replace(QLatin1Char('-'), QChar(0x2212)); }

} // namespace

CircuitView::CircuitView(Workspace& workspace, QWidget* parent)
    : View(workspace, QStringLiteral("circuit"), tr("Circuit"), parent), controls_(new CircuitControls),
      canvas_(new GraphCanvas), empty_(new QLabel), details_(new QLabel), patch_(new QPushButton),
      splitter_(new QSplitter(Qt::Vertical)), discover_(new DiscoverBar(workspace)),
      curve_chart_(new ChartView(tr("Faithfulness by share of edges"))) {
  empty_->setText(tr("Open a result file that holds a graph or ablation effects.\n"
                     "An ablation sweep (headscope ablate, or headscope survey) makes one.\n"
                     "Discover finds the circuit of a task, or of the pair of the patching view."));
  empty_->setAlignment(Qt::AlignCenter);
  empty_->setWordWrap(true);
  empty_->setForegroundRole(QPalette::PlaceholderText);
  details_->setObjectName(QStringLiteral("details"));
  details_->setWordWrap(true);
  details_->setAlignment(Qt::AlignLeft | Qt::AlignTop);
  // Always as high, so that what it says moves nothing.
  follow_font(*details_, [this] { details_->setFixedHeight(3 * details_->fontMetrics().lineSpacing()); });
  details_->setTextInteractionFlags(Qt::TextSelectableByMouse);
  patch_->setObjectName(QStringLiteral("patch"));
  patch_->setText(tr("&Patch its source"));
  patch_->setToolTip(tr("Set the patching view up for the activation that this edge comes from"));
  patch_->setEnabled(false);
  auto* page = new QWidget;
  auto* column = new QVBoxLayout(page);
  column->addWidget(controls_);
  splitter_->addWidget(canvas_);
  mark_ = new OriginMark(workspace, canvas_);
  splitter_->addWidget(curve_chart_);
  splitter_->setCollapsible(0, false);
  curve_chart_->chart()->layout()->setContentsMargins(0, 0, 0, 0);
  curve_chart_->hide();
  column->addWidget(splitter_, 1);
  auto* foot = new QHBoxLayout;
  foot->addWidget(details_, 1);
  foot->addWidget(patch_);
  column->addLayout(foot);
  auto* graphs = new QWidget;
  pages_ = new QStackedLayout(graphs);
  parts_ = new FoldingColumn(tr("Parts of the view Circuit"));
  parts_->add(discover_, tr("Discover"));
  parts_->add(graphs, tr("Graph"), 1);
  auto* all = new QVBoxLayout(this);
  all->addWidget(parts_);
  pages_->addWidget(empty_);
  pages_->addWidget(page);
  column->setContentsMargins(0, 0, 0, 0);
  setFocusProxy(canvas_);
  connect_controls();
  connect_edits();
  connect_canvas();
  const auto stale = [this] {
    sources_stale_ = true;
    if (watched()) update_sources();
  };
  connect(&workspace.scores(), &ScoreBoard::changed, this, stale);
  connect(&workspace, &Workspace::result_changed, this, stale);
  connect(&workspace, &Workspace::model_changed, this, &CircuitView::restore);
  connect(&workspace.selection(), &Selection::heads_changed, this, &CircuitView::select_nodes);
  connect(&workspace, &Workspace::pair_changed, this, &CircuitView::measure_edge);
  connect(&workspace.attention(), &AttentionState::changed, this, &CircuitView::measure_edge);
}

void CircuitView::connect_controls() {
  connect(controls_, &CircuitControls::source_changed, this, &CircuitView::load);
  connect(controls_, &CircuitControls::edges_wanted, this, [this](std::size_t n) {
    set_threshold(n == 0 ? std::nextafter(graph_.largest(), 1e300) : graph_.threshold_of(n));
  });
  connect(controls_, &CircuitControls::threshold_wanted, this, &CircuitView::set_threshold);
  connect(controls_->fit, &QAction::triggered, canvas_, &GraphCanvas::fit);
  connect(controls_->rightwards, &QAction::toggled, this, [this](bool on) {
    graph_.set_rightwards(on);
    redraw(false);
  });
  connect(controls_->show_all, &QAction::toggled, canvas_, &GraphCanvas::set_show_all);
  connect(controls_->rebuild, &QAction::toggled, this, &CircuitView::rebuild);
  connect(discover_, &DiscoverBar::found, this, &CircuitView::add_found);
  connect(discover_, &DiscoverBar::kept, &workspace(), &Workspace::open_result);
  connect(controls_->save, &QAction::triggered, this, &CircuitView::ask_to_save);
  connect(patch_, &QPushButton::clicked, this, &CircuitView::patch_source);
}

void CircuitView::connect_edits() {
  connect(controls_->group_layers, &QAction::triggered, this,
          [this] { edit(tr("group the heads of each layer"), [](CircuitGraph& graph) { graph.group_layers(); }); });
  connect(controls_->group_selected, &QAction::triggered, this, [this] {
    bool ok = false;
    const int n = static_cast<int>(canvas_->selected().size());
    if (n < 2) return controls_->set_note(tr("Select two or more nodes first: Shift and drag, or Ctrl and click"));
    const QString name = QInputDialog::getText(this, tr("Group"), tr("Name of the group"), QLineEdit::Normal,
                                               tr("%n nodes", nullptr, n), &ok);
    if (ok) group_selected(name.trimmed());
  });
  connect(controls_->ungroup, &QAction::triggered, this,
          [this] { edit(tr("ungroup"), [](CircuitGraph& graph) { graph.ungroup_all(); }); });
  connect(controls_->unpin, &QAction::triggered, this,
          [this] { edit(tr("put nodes back"), [](CircuitGraph& graph) { graph.unpin_all(); }); });
  connect(controls_->hide, &QAction::triggered, this, &CircuitView::hide_selected);
  connect(controls_->unhide, &QAction::triggered, this,
          [this] { edit(tr("show hidden nodes"), [](CircuitGraph& graph) { graph.unhide_all(); }); });
  connect(controls_->annotate, &QAction::triggered, this, [this] {
    const std::vector<std::size_t> nodes = canvas_->selected();
    if (nodes.size() != 1) return controls_->set_note(tr("Select one node first"));
    bool ok = false;
    const QString text = QInputDialog::getText(this, tr("Note"), tr("Note, or nothing to take it away"),
                                               QLineEdit::Normal, QString::fromStdString(graph_.note(nodes[0])), &ok);
    if (ok) annotate_selected(text.trimmed());
  });
  connect(controls_->save_edits, &QAction::triggered, this, &CircuitView::save_edits);
  connect(controls_, &CircuitControls::node_wanted, this, &CircuitView::find_node);
}

void CircuitView::connect_canvas() {
  canvas_->node_tip = [this](std::size_t node) { return node_text(node); };
  canvas_->edge_tip = [this](std::size_t edge) { return edge_text(edge); };
  connect(canvas_, &GraphCanvas::edge_clicked, this, &CircuitView::show_edge);
  connect(canvas_, &GraphCanvas::background_clicked, this, [this] { show_edge(-1); });
  connect(canvas_, &GraphCanvas::selection_changed, this, &CircuitView::take_selection);
  connect(canvas_, &GraphCanvas::node_moved, this, [this](std::size_t node, QPointF place) {
    // It is there already.
    edit(
        tr("move %1").arg(QString::fromStdString(graph_.shown().nodes[node].name)),
        [&](CircuitGraph& graph) { graph.pin(node, place); }, false);
  });
  connect(canvas_, &GraphCanvas::node_menu_wanted, this, &CircuitView::show_node_menu);
  connect(canvas_, &GraphCanvas::edge_menu_wanted, this, &CircuitView::show_edge_menu);
  connect(canvas_, &GraphCanvas::node_activated, this, [this](std::size_t node) {
    if (graph_.is_group(node)) {
      edit(tr("ungroup"), [node](CircuitGraph& graph) { graph.ungroup(node); });
    } else if (is_head(graph_.shown().nodes[node])) {
      workspace().selection().set_isolated(true);
    }
  });
}

void CircuitView::showEvent(QShowEvent* event) {
  View::showEvent(event);
  if (sources_stale_) update_sources();
}

// ---- Which graph

void CircuitView::update_sources() {
  sources_stale_ = false;
  std::vector<CircuitControls::Source> sources;
  if (const auto& result = workspace().result())
    for (const std::string& name : result->graphs)
      sources.push_back(
          {graph_prefix + QString::fromStdString(name), tr("Graph: %1").arg(QString::fromStdString(name))});
  for (const HeadScores& scores : workspace().scores().all())
    if (scores.id.starts_with("ablation/"))
      sources.push_back({score_prefix + QString::fromStdString(scores.id), QString::fromStdString(scores.title)});
  for (const Found& found : found_)
    sources.push_back({found_prefix + found.path, found.title});
  pages_->setCurrentIndex(sources.empty() ? 0 : 1);
  controls_->set_sources(sources);
  // Reloads: the name may be in another file, or have new values.
  if (!sources.empty() && controls_->source() == loaded_) load();
}

void CircuitView::load() {
  const QString source = controls_->source();
  loaded_ = source;
  mark_->set_origin(std::nullopt);
  if (source.startsWith(score_prefix)) {
    workspace().files().drop_lane(QStringLiteral("graph"));
    const HeadScores* scores = workspace().scores().find(source.mid(score_prefix.size()).toStdString());
    if (scores && !scores->model_sha256.empty()) {
      Origin made_of;
      made_of.model_sha256 = scores->model_sha256;
      mark_->set_origin(made_of);
    }
    return take({scores ? CircuitGraph(ablation_graph(*scores)) : CircuitGraph(), std::nullopt, std::nullopt});
  }
  if (source.startsWith(found_prefix)) {
    const QString path = source.mid(found_prefix.size());
    mark_->set_origin(found_of_[path]);
    return read_file(path.toStdString(), {});
  }
  if (!source.startsWith(graph_prefix) || !workspace().result()) return take({});
  mark_->set_origin(workspace().origin_of_result());
  read_file(workspace().result()->path, source.mid(graph_prefix.size()).toStdString());
}

// Without a name: the only graph of the file.
void CircuitView::read_file(const std::string& path, const std::string& name) {
  workspace().files().post<Loaded>({QStringLiteral("graph"), tr("Reading the graph")}, this,
                                   [path, name](FileState& state, const JobContext<Loaded>&) -> Result<Loaded> {
                                     HS_ASSIGN(store::Graph graph, read_graph(state, path, name));
                                     HS_ASSIGN(auto curve, read_curve(state, path, graph.name));
                                     auto edits = read_edits(graph, edits_path(path, graph.name));
                                     Loaded loaded{CircuitGraph(std::move(graph)), std::move(curve)};
                                     if (!edits.ok())
                                       loaded.edits_error = edits.error();
                                     else if (!edits->empty())
                                       loaded.graph.set_edits(std::move(*edits));
                                     return loaded;
                                   },
                                   {[this](Result<Loaded> loaded) {
                                     if (loaded.ok()) return take(std::move(*loaded));
                                     take({});
                                     workspace().report(tr("The graph was not read"), loaded.error());
                                   }});
}

void CircuitView::take(Loaded loaded) {
  controls_->save_edits->setEnabled(!loaded_.startsWith(score_prefix));
  if (loaded.edits_error) workspace().report(tr("The changes of the graph were not read"), *loaded.edits_error);
  curve_ = std::move(loaded.curve);
  whole_.reset();
  const QSignalBlocker quiet(controls_->rebuild);
  controls_->rebuild->setChecked(false);
  take_graph(std::move(loaded.graph), first_edges);
  const bool first = curve_ && curve_chart_->isHidden();
  curve_chart_->setVisible(curve_.has_value());
  if (first) splitter_->setSizes({splitter_->height() * 3 / 4, splitter_->height() / 4});
  if (curve_) show_lines(*curve_chart_->chart(), *curve_, shown_share());
}

void CircuitView::take_graph(CircuitGraph graph, std::size_t edges) {
  graph_ = std::move(graph);
  if (controls_->rightwards->isChecked() != graph_.rightwards()) graph_.set_rightwards(!graph_.rightwards());
  threshold_ = graph_.threshold_of(std::min(edges, graph_.shown().edges.size()));
  redraw(false);
}

void CircuitView::add_found(const QString& path, const QString& title, const Origin& made_of) {
  found_.push_back({path, title});
  found_of_[path] = made_of;
  workspace().kept().put({kept_kind, path, title, path, made_of}, nullptr);
  update_sources();
  controls_->choose(found_prefix + path);
  parts_->bring_up(parts_->part(1));
}

// What was found in the session before, for this model.
void CircuitView::restore() {
  if (!workspace().model()) return;
  for (const KeptEntry& entry : workspace().kept().of(kept_kind, workspace().model()->sha256))
    if (found_of_.try_emplace(entry.file, entry.origin).second) found_.push_back({entry.file, entry.title});
  sources_stale_ = true;
  if (watched()) update_sources();
}

// Of the edges that were asked for, as in the curve: pruning takes some of them.
double CircuitView::shown_share() const {
  const CircuitGraph& all = whole_ ? *whole_ : graph_;
  const std::size_t edges = all.shown().edges.size(), shown = graph_.count(threshold_);
  const bool built = whole_ && shown == graph_.shown().edges.size();
  return edges == 0
             ? 0.0
             : static_cast<double>(built ? static_cast<std::size_t>(rebuilt_of_) : shown) / static_cast<double>(edges);
}

void CircuitView::rebuild(bool on) {
  workspace().files().drop_lane(QStringLiteral("rebuild"));
  if (!on) {
    if (!whole_) return;
    CircuitGraph whole = std::move(*whole_);
    whole_.reset();
    return take_graph(std::move(whole), static_cast<std::size_t>(rebuilt_of_));
  }
  rebuilt_of_ = static_cast<std::int64_t>(graph_.count(threshold_));
  workspace().files().post<store::Graph>(
      {QStringLiteral("rebuild"), tr("Building the circuit")}, this,
      [graph = graph_.base(), n = rebuilt_of_](FileState&, const JobContext<store::Graph>&) {
        return connected_circuit(graph, n);
      },
      {[this](Result<store::Graph> built) {
        if (built.ok() && !built->edges.empty()) {
          whole_ = std::move(graph_);
          return take_graph(CircuitGraph(std::move(*built)), std::numeric_limits<std::size_t>::max());
        }
        const QSignalBlocker quiet(controls_->rebuild);
        controls_->rebuild->setChecked(false);
        controls_->set_note(
            built.ok() ? tr("These %1 edges form no path from the input to the logits").arg(rebuilt_of_)
                       : tr("No circuit was built: the graph %1").arg(QString::fromStdString(built.error().message)));
      }});
}

// ---- What is drawn

void CircuitView::redraw(bool keep_view) {
  canvas_->set_figure(graph_figure(graph_.shown(), graph_.layout(), 0.0, {}), keep_view);
  std::vector<QString> notes(graph_.edits().notes.empty() ? 0 : graph_.shown().nodes.size());
  for (std::size_t i = 0; i < notes.size(); ++i)
    notes[i] = QString::fromStdString(graph_.note(i));
  canvas_->set_notes(std::move(notes));
  show_edges();
  show_edge(-1);
}

void CircuitView::set_threshold(double threshold) {
  threshold_ = threshold;
  show_edges();
}

void CircuitView::show_edges() {
  const std::size_t n = graph_.count(threshold_);
  canvas_->set_edge_count(std::min(n, most_edges));
  std::vector<bool> live(graph_.shown().nodes.size());
  for (std::size_t i = 0; i < live.size(); ++i)
    live[i] = graph_.live(i, n);
  canvas_->set_live(std::move(live));
  const std::vector<std::size_t> selected = canvas_->selected();
  if (std::all_of(selected.begin(), selected.end(),
                  [&](std::size_t node) { return is_head(graph_.shown().nodes[node]); }))
    select_nodes(); // also what is no longer hidden
  controls_->show_graph(graph_, threshold_);
  show_count(n);
  if (curve_) mark_lines(*curve_chart_->chart(), *curve_, shown_share());
}

void CircuitView::show_count(std::size_t n) {
  const QLocale locale;
  const auto count = [&](std::size_t value) { return locale.toString(static_cast<qulonglong>(value)); };
  QString text = tr("%1 of %2 edges, %3 of %4 nodes")
                     .arg(count(n), count(graph_.shown().edges.size()), count(graph_.live_count(n)),
                          count(graph_.shown().nodes.size()));
  if (const std::size_t hidden = graph_.edits().hidden.size()) text += tr(" · %1 nodes hidden").arg(count(hidden));
  if (whole_) text += tr(" · connected, of the %1 strongest").arg(count(static_cast<std::size_t>(rebuilt_of_)));
  if (n > most_edges) text += tr(" (the strongest %1 edges are drawn)").arg(count(most_edges));
  if (!graph_.base().metric.empty()) text += tr(" · %1").arg(QString::fromStdString(graph_.base().metric));
  controls_->set_note(text);
}

QString CircuitView::edge_text(std::size_t index) const {
  const store::GraphEdge& edge = graph_.shown().edges[index];
  const auto& nodes = graph_.shown().nodes;
  QString text = tr("%1 → %2").arg(QString::fromStdString(nodes[static_cast<std::size_t>(edge.src)].name),
                                   QString::fromStdString(nodes[static_cast<std::size_t>(edge.dst)].name));
  if (!edge.kind.empty()) text += tr(" (%1)").arg(QString::fromStdString(edge.kind));
  text += tr(": %1").arg(number(edge.score));
  if (graph_.shown().units != "1") text += QLatin1Char(' ') + QString::fromStdString(graph_.shown().units);
  return text;
}

QString CircuitView::node_text(std::size_t node) const {
  const std::size_t shown = graph_.count(threshold_);
  const auto& edges = graph_.shown().edges;
  std::size_t in = 0, out = 0;
  for (std::size_t i = 0; i < shown; ++i) {
    out += static_cast<std::size_t>(edges[i].src) == node;
    in += static_cast<std::size_t>(edges[i].dst) == node;
  }
  QString text = QString::fromStdString(graph_.shown().nodes[node].name);
  const std::string& kind = graph_.shown().nodes[node].kind;
  if (!kind.empty()) text += tr(" (%1)").arg(QString::fromStdString(kind));
  if (const std::string note = graph_.note(node); !note.empty())
    text += QLatin1Char('\n') + QString::fromStdString(note);
  text += tr("\n%1 edges in, %2 out over the threshold").arg(in).arg(out);
  for (std::size_t i = 0; i < shown; ++i)
    if (static_cast<std::size_t>(edges[i].src) == node || static_cast<std::size_t>(edges[i].dst) == node)
      return text + tr("\nstrongest: %1").arg(edge_text(i));
  return text;
}

// ---- Changes

class EditStep : public QUndoCommand {
public:
  EditStep(CircuitView* view, std::uint64_t graph, GraphEdits before, GraphEdits after, const QString& what)
      : QUndoCommand(what), view_(view), graph_(graph), before_(std::move(before)), after_(std::move(after)) {}
  void undo() override { apply(before_); }
  void redo() override { apply(after_); }

private:
  void apply(const GraphEdits& edits) {
    if (!view_ || !view_->apply_edits(graph_, edits)) setObsolete(true);
  }

  QPointer<CircuitView> view_;
  std::uint64_t graph_;
  GraphEdits before_, after_;
};

void CircuitView::edit(const QString& what, const std::function<void(CircuitGraph&)>& change, bool redraw_now) {
  GraphEdits before = graph_.edits();
  std::vector<NodeSet> selected;
  for (const std::size_t node : canvas_->selected())
    selected.push_back(graph_.members(node));
  change(graph_);
  if (graph_.edits() == before) return;
  workspace().undo().push(
      new EditStep(this, graph_.id(), std::move(before), graph_.edits(), what)); // the stack owns it
  keep_edits();
  if (!redraw_now) return;
  redraw(true);
  std::vector<std::size_t> again; // what is still there stays selected
  for (std::size_t node = 0; node < graph_.shown().nodes.size(); ++node)
    if (std::ranges::find(selected, graph_.members(node)) != selected.end()) again.push_back(node);
  if (!again.empty()) canvas_->set_selected(again);
}

bool CircuitView::apply_edits(std::uint64_t graph, const GraphEdits& edits) {
  if (graph_.id() == graph) {
    if (graph_.edits() == edits) return true; // as it was just made
    graph_.set_edits(edits);
    keep_edits();
    redraw(true);
    return true;
  }
  if (!whole_ || whole_->id() != graph) return false;
  whole_->set_edits(edits);
  keep_edits();
  return true;
}

// Of a circuit that was found and is in no file of the user: beside what the session keeps of it.
void CircuitView::keep_edits() {
  const QString path = loaded_.mid(found_prefix.size());
  if (!loaded_.startsWith(found_prefix) || !path.startsWith(workspace().kept().folder())) return;
  const CircuitGraph& of = whole_ ? *whole_ : graph_;
  workspace().files().post<bool>({QStringLiteral("keep-edits"), tr("Keeping the changes of the graph")}, this,
                                 [edits = of.edits(), graph = of.base(),
                                  path = path.toStdString()](FileState&, const JobContext<bool>&) -> Result<bool> {
                                   HS_TRY(write_edits(edits, graph, edits_path(path, graph.name)));
                                   return true;
                                 },
                                 {[this](const Result<bool>& saved) {
                                   if (!saved.ok())
                                     workspace().report(tr("The changes of the graph are not kept"), saved.error());
                                 }});
}

void CircuitView::group_selected(const QString& name) {
  edit(tr("group nodes"), [&](CircuitGraph& graph) { graph.group(canvas_->selected(), name.toStdString()); });
}

void CircuitView::hide_selected() {
  edit(tr("hide nodes"), [&](CircuitGraph& graph) { graph.hide(canvas_->selected()); });
}

void CircuitView::annotate_selected(const QString& text) {
  const std::vector<std::size_t> nodes = canvas_->selected();
  if (nodes.size() != 1) return;
  edit(tr("note"), [&](CircuitGraph& graph) { graph.annotate(nodes[0], text.toStdString()); });
}

void CircuitView::save_edits() {
  if (graph_.empty()) return;
  if (loaded_.startsWith(found_prefix)) {
    const QString path = ask_for_file(tr("Keep the circuit with what was changed"));
    return path.isEmpty() ? void() : save_found(path);
  }
  if (!workspace().result() || !loaded_.startsWith(graph_prefix)) return;
  const CircuitGraph& of = whole_ ? *whole_ : graph_; // a circuit built of it has no file
  const std::string path = edits_path(workspace().result()->path, of.base().name);
  workspace().files().post<bool>(
      {{}, tr("Saving the changes of the graph")}, this,
      [edits = of.edits(), graph = of.base(), path](FileState&, const JobContext<bool>&) -> Result<bool> {
        HS_TRY(write_edits(edits, graph, path));
        return true;
      },
      {[this, path](const Result<bool>& saved) {
        if (saved.ok())
          Q_EMIT workspace().noted(tr("Wrote %1").arg(QString::fromStdString(path)));
        else
          workspace().report(tr("The changes of the graph were not saved"), saved.error());
      }});
}

// ---- Finding

std::optional<std::size_t> CircuitView::node_named(const QString& text) const {
  static const QRegularExpression head(QStringLiteral("^(\\d+)\\.(\\d+)$"));
  static const QRegularExpression mlp(QStringLiteral("^m(?:lp)?\\s*(\\d+)$"),
                                      QRegularExpression::CaseInsensitiveOption);
  const auto& nodes = graph_.base().nodes;
  if (const auto match = head.match(text); match.hasMatch())
    if (const auto node = graph_.node_of(match.captured(1).toInt(), match.captured(2).toInt())) return node;
  if (const auto match = mlp.match(text); match.hasMatch())
    for (std::size_t i = 0; i < nodes.size(); ++i)
      if (node_kind(nodes[i]) == figures::NodeKind::mlp && nodes[i].layer == match.captured(1).toInt())
        return graph_.shown_of(i);
  for (const bool whole : {true, false})
    for (std::size_t i = 0; i < graph_.shown().nodes.size(); ++i) {
      const QString name = QString::fromStdString(graph_.shown().nodes[i].name);
      if (whole ? name.compare(text, Qt::CaseInsensitive) == 0 : name.contains(text, Qt::CaseInsensitive)) return i;
    }
  return std::nullopt;
}

bool CircuitView::find_node(const QString& text) {
  if (text.isEmpty()) return false;
  const std::optional<std::size_t> node = node_named(text);
  if (!node) {
    controls_->set_note(tr("The graph shows no node %1").arg(text));
    return false;
  }
  if (!canvas_->node_shown(*node)) controls_->show_all->setChecked(true);
  show_count(graph_.count(threshold_));
  go_to_node(*node);
  return true;
}

void CircuitView::go_to_node(std::size_t node) {
  canvas_->set_selected({node});
  take_selection();
  canvas_->bring_node_into_view(node);
  details_->setText(node_text(node).replace(QLatin1Char('\n'), QStringLiteral(" · ")));
  details_->setForegroundRole(QPalette::WindowText);
}

// ---- Selection

void CircuitView::select_nodes() {
  if (graph_.empty()) return;
  std::vector<std::size_t> nodes;
  for (const HeadId& head : workspace().selection().heads())
    if (const auto node = graph_.node_of(head.layer, head.head)) nodes.push_back(*node);
  canvas_->set_selected(nodes);
}

void CircuitView::take_selection() {
  std::vector<HeadId> heads;
  const std::vector<std::size_t> nodes = canvas_->selected();
  for (const std::size_t node : nodes) {
    if (graph_.is_group(node)) continue; // this node is being grouped, not inspected
    const store::GraphNode& at = graph_.shown().nodes[node];
    if (is_head(at)) heads.push_back({at.layer, at.head});
  }
  if (heads.empty() || heads.size() != nodes.size()) return; // nodes that are not heads are selected only here
  workspace().selection().set_heads(heads);
}

void CircuitView::show_edge(int index) {
  if (canvas_->current_edge() != index) canvas_->set_current_edge(index);
  patch_->setEnabled(false);
  if (index < 0) {
    details_->setText(tr("Click an edge to select its heads. Drag nodes to move them, Shift and drag to select "
                         "several, N and P for the next and previous edge."));
    details_->setForegroundRole(QPalette::PlaceholderText);
    return;
  }
  details_->setText(edge_text(static_cast<std::size_t>(index)));
  details_->setForegroundRole(QPalette::WindowText);
  const store::GraphEdge& edge = graph_.shown().edges[static_cast<std::size_t>(index)];
  std::vector<HeadId> heads;
  for (const std::int64_t end : {edge.src, edge.dst}) {
    const store::GraphNode& node = graph_.shown().nodes[static_cast<std::size_t>(end)];
    if (is_head(node)) heads.push_back({node.layer, node.head});
  }
  if (!heads.empty()) workspace().selection().set_heads(heads);
  const auto src = static_cast<std::size_t>(edge.src);
  const figures::NodeKind kind = node_kind(graph_.shown().nodes[src]);
  patch_->setEnabled(!graph_.is_group(src) && kind != figures::NodeKind::output);
  measure_edge();
}

std::optional<EdgeRef> CircuitView::edge_ref(std::size_t index) const {
  const store::GraphEdge& edge = graph_.shown().edges[index];
  const auto src = static_cast<std::size_t>(edge.src), dst = static_cast<std::size_t>(edge.dst);
  if (graph_.is_group(src) || graph_.is_group(dst)) return std::nullopt;
  const store::GraphNode &from = graph_.shown().nodes[src], &to = graph_.shown().nodes[dst];
  EdgeRef ref{"input", from.layer, from.head, "logits", to.layer, to.head};
  switch (node_kind(from)) {
  case figures::NodeKind::head: ref.sender = "head"; break;
  case figures::NodeKind::mlp: ref.sender = "mlp"; break;
  case figures::NodeKind::input: break;
  default: return std::nullopt;
  }
  if (node_kind(to) == figures::NodeKind::mlp)
    ref.receiver = "mlp";
  else if (edge.kind == "q" || edge.kind == "k" || edge.kind == "v")
    ref.receiver = edge.kind;
  else if (node_kind(to) != figures::NodeKind::output)
    return std::nullopt; // into a head by all its inputs: no edge of the graph
  return ref;
}

void CircuitView::measure_edge() {
  const int index = canvas_->current_edge();
  workspace().engine().drop_lane(QStringLiteral("edge"));
  if (index < 0 || !workspace().model()) return;
  const auto edge = static_cast<std::size_t>(index);
  const std::optional<EdgeRef> ref = edge_ref(edge);
  if (!ref) return;
  if (!workspace().pair())
    return details_->setText(
        edge_text(edge) + tr(". Type a clean and a corrupt prompt in the patching view to see what patching it does."));
  const QString text = edge_text(edge);
  details_->setText(text + tr(". Patching it …"));
  workspace().engine().post<EdgeEffect>(
      {QStringLiteral("edge"), tr("Patching an edge")}, this,
      [pair = *workspace().pair(), ref = *ref](EngineState& state, const JobContext<EdgeEffect>& job) {
        return edge_effect(state, pair, ref, job.control);
      },
      {[this, text](Result<EdgeEffect> effect) {
        if (!effect.ok())
          return details_->setText(text + tr(". Not patched: %1").arg(QString::fromStdString(effect.error().message)));
        details_->setText(
            text + tr(". Patched, it takes the logit difference from %1 to %2 (%3)")
                       .arg(number(effect->clean), number(effect->clean + effect->effect), number(effect->effect)));
      }});
}

void CircuitView::patch_source() {
  const int index = canvas_->current_edge();
  if (index < 0) return;
  const store::GraphEdge& edge = graph_.shown().edges[static_cast<std::size_t>(index)];
  const store::GraphNode& node = graph_.shown().nodes[static_cast<std::size_t>(edge.src)];
  if (is_head(node))
    workspace().want_patch({"z", PatchAxes::layer_head, node.layer, node.head});
  else if (node.kind == "kv_head") // its k or v, by what the edge feeds
    workspace().want_patch({edge.kind == "k" ? "k" : "v", PatchAxes::layer_head, node.layer, std::nullopt});
  else if (node_kind(node) == figures::NodeKind::mlp)
    workspace().want_patch({"mlp_out", PatchAxes::layer_position, node.layer, std::nullopt});
  else
    workspace().want_patch({"resid_pre", PatchAxes::layer_position, std::max(node.layer, 0), std::nullopt});
}

// ---- Files

QString CircuitView::ask_for_file(const QString& title) {
  QString path = QFileDialog::getSaveFileName(
      this, title, QString::fromStdString(graph_.base().name) + QStringLiteral(".h5"), tr("Result files (*.h5)"));
  if (!path.isEmpty() && QFileInfo(path).suffix().isEmpty()) path += QStringLiteral(".h5");
  return path;
}

void CircuitView::ask_to_save() {
  if (graph_.empty()) return;
  const QString path = ask_for_file(tr("Save the graph that is shown"));
  if (!path.isEmpty()) save_graph(path, true); // the dialog has asked
}

// The file is a copy of what the method wrote, with its curve and how it came about; from then on the circuit is of it.
void CircuitView::save_found(const QString& path) {
  if (!loaded_.startsWith(found_prefix)) return;
  const QString from = loaded_.mid(found_prefix.size());
  const CircuitGraph& of = whole_ ? *whole_ : graph_;
  workspace().files().post<bool>(
      {{}, tr("Saving the circuit")}, this,
      [from = from.toStdString(), to = path.toStdString(), edits = of.edits(),
       graph = of.base()](FileState& state, const JobContext<bool>&) -> Result<bool> {
        HS_TRY(copy_result(state, from, to));
        HS_TRY(write_edits(edits, graph, edits_path(to, graph.name)));
        return true;
      },
      {[this, from, path](const Result<bool>& saved) {
        if (!saved.ok()) return workspace().report(tr("The circuit was not saved"), saved.error());
        Q_EMIT workspace().noted(tr("Wrote %1").arg(path));
        found_of_[path] = found_of_[from];
        for (Found& found : found_)
          if (found.path == from) {
            found.path = path;
            workspace().kept().put({kept_kind, from, found.title, path, found_of_[path]}, nullptr);
          }
        const bool shown = loaded_ == found_prefix + from;
        update_sources();
        if (shown) controls_->choose(found_prefix + path);
      }});
}

void CircuitView::save_graph(const QString& path, bool overwrite) {
  GraphFile file;
  file.path = path.toStdString();
  file.overwrite = overwrite;
  file.version = QCoreApplication::applicationVersion().toStdString();
  file.made_by = "headscope-gui: circuit view";
  if (workspace().result()) file.model = workspace().result()->model;
  workspace().files().post<bool>(
      {{}, tr("Saving the graph")}, this,
      [graph = graph_.strongest(threshold_), whole = graph_.base(), edits = graph_.edits(),
       file](FileState& state, const JobContext<bool>&) -> Result<bool> {
        HS_TRY(write_graph(state, graph, file));
        if (!edits.empty())
          HS_TRY(write_edits(edits_of_part(edits, whole, graph), graph, edits_path(file.path, graph.name)));
        return true;
      },
      {[this, path](const Result<bool>& saved) {
        if (saved.ok())
          Q_EMIT workspace().noted(tr("Wrote %1").arg(path));
        else
          workspace().report(tr("The graph was not saved"), saved.error());
      }});
}

std::optional<ViewExport> CircuitView::exported() const {
  if (graph_.empty()) return std::nullopt;
  const auto& model = workspace().model();
  const std::string name = model ? model->name : std::string();
  ViewExport out;
  out.name = QStringLiteral("circuit-") + QString::fromStdString(graph_.base().name);
  figures::GraphFigure figure =
      graph_figure(graph_.shown(), graph_.layout(), threshold_,
                   (name.empty() ? "" : name + ", ") + "edges of |score| >= " + number(threshold_).toStdString());
  for (const std::size_t node : canvas_->selected())
    figure.nodes[node].marked = true;
  out.figure = std::move(figure);
  out.table = graph_table(graph_.shown(), threshold_);
  return out;
}

bool CircuitView::settled() const { return canvas_->settled(); }

View* make_circuit_view(Workspace& workspace, QWidget* parent) { return new CircuitView(workspace, parent); }

} // namespace headscope::gui
