// SPDX-License-Identifier: GPL-3.0-or-later
// The menus of the circuit view: of a node and of an edge.
#include <QClipboard>
#include <QGuiApplication>

#include "app/gui/models/method_scores.h"
#include "app/gui/models/prompt_values.h"
#include "app/gui/views/circuit/circuit_controls.h"
#include "app/gui/views/circuit/circuit_view.h"
#include "app/gui/views/circuit/graph_canvas.h"
#include "app/gui/views/menus/head_menu.h"

namespace headscope::gui {

// A node that is not selected is selected first, so that what applies to selected nodes applies to it.
void CircuitView::show_node_menu(std::size_t node, const QPoint& place) {
  if (std::vector<std::size_t> selected = canvas_->selected(); std::ranges::find(selected, node) == selected.end()) {
    canvas_->set_selected({node});
    take_selection();
  }
  const store::GraphNode& at = graph_.shown().nodes[node];
  auto* menu = new QMenu(this);
  if (is_head(at) && !graph_.is_group(node))
    add_head_actions(*menu, workspace(), {at.layer, at.head});
  else
    menu->addSection(QString::fromStdString(at.name));
  menu->addSeparator();
  const bool pinned = graph_.pinned(node);
  menu->addAction(pinned ? tr("Unpin: back to its place") : tr("Pin it where it is"), this, [this, node, pinned] {
    const QPointF here = canvas_->node_rect(node).center();
    edit(pinned ? tr("put back a node") : tr("pin a node"),
         [node, pinned, here](CircuitGraph& graph) { pinned ? graph.unpin(node) : graph.pin(node, here); });
  });
  menu->addActions({controls_->hide, controls_->group_selected});
  if (graph_.is_group(node))
    menu->addAction(tr("Ungroup it"), this,
                    [this, node] { edit(tr("ungroup"), [node](CircuitGraph& graph) { graph.ungroup(node); }); });
  menu->addAction(controls_->annotate);
  menu->addSeparator();
  menu->addAction(tr("Copy what it is"), this,
                  [text = node_text(node)] { QGuiApplication::clipboard()->setText(text); });
  show_menu(menu, place);
}

void CircuitView::show_edge_menu(int edge, const QPoint& place) {
  if (edge != canvas_->current_edge()) show_edge(edge);
  const auto index = static_cast<std::size_t>(edge);
  const store::GraphEdge& ends = graph_.shown().edges[index];
  auto* menu = new QMenu(this);
  menu->addSection(edge_text(index));
  QAction* again = menu->addAction(tr("Patch this edge"), this, &CircuitView::measure_edge);
  again->setEnabled(workspace().model() && workspace().pair() && edge_ref(index));
  again->setToolTip(again->isEnabled() ? QString()
                                       : tr("Takes a model, a pair in the patching view, and an edge of no group"));
  menu->addAction(tr("Patch its source everywhere"), this, &CircuitView::patch_source)
      ->setEnabled(patch_->isEnabled() && workspace().model());
  menu->addSeparator();
  for (const auto& [name, node] :
       {std::pair(tr("Go to where it begins"), ends.src), {tr("Go to where it ends"), ends.dst}})
    menu->addAction(name, this, [this, to = static_cast<std::size_t>(node)] { go_to_node(to); });
  menu->addSeparator();
  menu->addAction(tr("Copy what it is"), this,
                  [text = edge_text(index)] { QGuiApplication::clipboard()->setText(text); });
  const QString command = edge_command(index);
  QAction* copy = menu->addAction(tr("Copy its patch as command"), this,
                                  [command] { QGuiApplication::clipboard()->setText(command); });
  copy->setEnabled(!command.isEmpty());
  copy->setToolTip(command.isEmpty() ? tr("Takes a model, a pair in the patching view, and an edge of no group")
                                     : command);
  show_menu(menu, place);
}

QString CircuitView::edge_command(std::size_t edge) const {
  const std::optional<EdgeRef> ref = edge_ref(edge);
  const auto& model = workspace().model();
  if (!ref || !model || !workspace().pair()) return {};
  return QString::fromStdString(headscope::gui::edge_command(
      *workspace().pair(), *ref, model->n_kv_heads != model->n_heads, command_model(workspace())));
}

} // namespace headscope::gui
