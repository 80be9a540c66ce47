// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/circuit/circuit_graph.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>
#include <unordered_map>

namespace headscope::gui {

namespace {

constexpr auto nowhere = std::numeric_limits<std::size_t>::max(); // of a node that is hidden

} // namespace

bool is_head(const store::GraphNode& node) { return node_kind(node) == figures::NodeKind::head; }

CircuitGraph::CircuitGraph(store::Graph base) : base_(std::move(base)) {
  static std::atomic<std::uint64_t> last{0};
  id_ = ++last;
  rebuild();
}

void CircuitGraph::set_edits(GraphEdits edits) {
  edits_ = std::move(edits);
  rebuild();
}

void CircuitGraph::rebuild() {
  rebuild_nodes();
  rebuild_edges();
}

// Places nodes as in the layout of the ungrouped graph, so that grouping moves nothing else.
void CircuitGraph::rebuild_nodes() {
  const GraphLayout full = lay_out(base_, rightwards_);
  shown_ = {base_.name, base_.metric, base_.task, base_.units, {}, {}, base_.attributes};
  layout_ = {{}, full.bands, rightwards_};
  members_.clear();
  node_of_base_.assign(base_.nodes.size(), nowhere);
  std::vector<bool> apart(base_.nodes.size(), true); // in no group
  for (const auto& [name, nodes] : edits_.groups)
    for (const std::size_t node : nodes)
      apart[node] = false;
  for (std::size_t i = 0; i < base_.nodes.size(); ++i) {
    if (!apart[i] || edits_.hidden.contains(i)) continue;
    node_of_base_[i] = members_.size();
    members_.push_back({i});
    shown_.nodes.push_back(base_.nodes[i]);
    layout_.nodes.push_back(full.nodes[i]);
  }
  for (const auto& [name, all] : edits_.groups) {
    NodeSet nodes;
    std::copy_if(all.begin(), all.end(), std::back_inserter(nodes),
                 [&](std::size_t node) { return !edits_.hidden.contains(node); });
    if (nodes.empty()) continue;
    figures::FigureNode place = full.nodes[nodes[0]];
    place.label = name;
    place.kind = figures::NodeKind::group;
    place.x = place.y = 0;
    int layer = base_.nodes[nodes[0]].layer;
    for (const std::size_t node : nodes) {
      place.x += full.nodes[node].x / static_cast<double>(nodes.size());
      place.y += full.nodes[node].y / static_cast<double>(nodes.size());
      node_of_base_[node] = members_.size();
      if (base_.nodes[node].layer != layer) layer = -1;
    }
    place.width = std::max(place.width, 7.0 * static_cast<double>(name.size()) + 10);
    members_.push_back(nodes);
    shown_.nodes.push_back({name, layer, -1, "group"});
    layout_.nodes.push_back(place);
  }
  for (std::size_t i = 0; i < members_.size(); ++i)
    if (const auto pin = edits_.pins.find(pin_of(i)); pin != edits_.pins.end()) {
      layout_.nodes[i].x = pin->second.x();
      layout_.nodes[i].y = pin->second.y();
    }
}

void CircuitGraph::rebuild_edges() {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < base_.edges.size(); ++i)
    if (std::isfinite(base_.edges[i].score)) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::abs(base_.edges[a].score) > std::abs(base_.edges[b].score);
  });
  // Parallel edges (q, k and v of a head) stay separate; only those of a group are merged.
  std::unordered_map<std::uint64_t, bool> seen;
  first_edge_.assign(shown_.nodes.size(), std::numeric_limits<std::size_t>::max());
  for (const std::size_t i : order) {
    store::GraphEdge edge = base_.edges[i];
    const std::size_t src = node_of_base_[static_cast<std::size_t>(edge.src)];
    const std::size_t dst = node_of_base_[static_cast<std::size_t>(edge.dst)];
    if (src == nowhere || dst == nowhere) continue;
    const bool grouped = is_group(src) || is_group(dst);
    if (grouped && (src == dst || !seen.emplace(src * shown_.nodes.size() + dst, true).second)) continue;
    edge.src = static_cast<std::int64_t>(src);
    edge.dst = static_cast<std::int64_t>(dst);
    for (const std::size_t end : {src, dst})
      first_edge_[end] = std::min(first_edge_[end], shown_.edges.size());
    shown_.edges.push_back(std::move(edge));
  }
}

std::size_t CircuitGraph::count(double threshold) const {
  const auto& edges = shown_.edges;
  return static_cast<std::size_t>(
      std::partition_point(edges.begin(), edges.end(),
                           [&](const store::GraphEdge& edge) { return std::abs(edge.score) >= threshold; }) -
      edges.begin());
}

double CircuitGraph::threshold_of(std::size_t n) const {
  return n == 0 || n > shown_.edges.size() ? 0.0 : std::abs(shown_.edges[n - 1].score);
}

std::size_t CircuitGraph::live_count(std::size_t n) const {
  return static_cast<std::size_t>(
      std::count_if(first_edge_.begin(), first_edge_.end(), [n](std::size_t first) { return first < n; }));
}

std::optional<std::size_t> CircuitGraph::node_of(int layer, int head) const {
  for (std::size_t i = 0; i < base_.nodes.size(); ++i)
    if (is_head(base_.nodes[i]) && base_.nodes[i].layer == layer && base_.nodes[i].head == head) return shown_of(i);
  return std::nullopt;
}

std::optional<std::size_t> CircuitGraph::shown_of(std::size_t base_node) const {
  const std::size_t node = node_of_base_[base_node];
  return node == nowhere ? std::nullopt : std::optional(node);
}

void CircuitGraph::set_rightwards(bool rightwards) {
  rightwards_ = rightwards;
  rebuild();
}

void CircuitGraph::group(const std::vector<std::size_t>& nodes, const std::string& name) {
  std::vector<std::size_t> all;
  for (const std::size_t node : nodes)
    all.insert(all.end(), members_[node].begin(), members_[node].end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  if (all.size() < 2) return;
  std::erase_if(edits_.groups,
                [&](const auto& group) { return std::binary_search(all.begin(), all.end(), group.second[0]); });
  edits_.groups.emplace_back(name, std::move(all));
  rebuild();
}

void CircuitGraph::group_layers() {
  std::map<int, std::vector<std::size_t>> layers;
  for (std::size_t i = 0; i < base_.nodes.size(); ++i)
    if (is_head(base_.nodes[i])) layers[base_.nodes[i].layer].push_back(i);
  edits_.groups.clear();
  for (auto& [layer, nodes] : layers)
    if (nodes.size() > 1) edits_.groups.emplace_back("heads of " + std::to_string(layer), std::move(nodes));
  rebuild();
}

void CircuitGraph::ungroup(std::size_t node) {
  const std::size_t member = members_[node].front();
  std::erase_if(edits_.groups, [&](const auto& group) {
    return std::binary_search(group.second.begin(), group.second.end(), member);
  });
  rebuild();
}

void CircuitGraph::ungroup_all() {
  edits_.groups.clear();
  rebuild();
}

void CircuitGraph::pin(std::size_t node, QPointF place) {
  edits_.pins[pin_of(node)] = place;
  layout_.nodes[node].x = place.x();
  layout_.nodes[node].y = place.y();
}

bool CircuitGraph::pinned(std::size_t node) const { return edits_.pins.contains(pin_of(node)); }

void CircuitGraph::unpin(std::size_t node) {
  edits_.pins.erase(pin_of(node));
  rebuild();
}

void CircuitGraph::unpin_all() {
  edits_.pins.clear();
  rebuild();
}

void CircuitGraph::hide(const std::vector<std::size_t>& nodes) {
  for (const std::size_t node : nodes)
    edits_.hidden.insert(members_[node].begin(), members_[node].end());
  rebuild();
}

void CircuitGraph::unhide_all() {
  edits_.hidden.clear();
  rebuild();
}

void CircuitGraph::annotate(std::size_t node, const std::string& text) {
  if (text.empty())
    edits_.notes.erase(members_[node]);
  else
    edits_.notes[members_[node]] = text;
}

std::string CircuitGraph::note(std::size_t node) const {
  const auto found = edits_.notes.find(members_[node]);
  return found == edits_.notes.end() ? std::string() : found->second;
}

store::Graph CircuitGraph::strongest(double threshold) const {
  store::Graph out{base_.name, base_.metric, base_.task, base_.units, {}, {}, base_.attributes};
  const auto weak = [threshold](const store::GraphEdge& edge) { return !(std::abs(edge.score) >= threshold); };
  if (std::none_of(base_.edges.begin(), base_.edges.end(), weak)) return base_;
  std::vector<std::int64_t> place(base_.nodes.size(), -1);
  for (const store::GraphEdge& edge : base_.edges) {
    if (weak(edge)) continue;
    for (const std::int64_t end : {edge.src, edge.dst})
      place[static_cast<std::size_t>(end)] = 0;
  }
  for (std::size_t i = 0; i < place.size(); ++i) {
    if (place[i] < 0) continue;
    place[i] = static_cast<std::int64_t>(out.nodes.size());
    out.nodes.push_back(base_.nodes[i]);
  }
  for (store::GraphEdge edge : base_.edges) {
    if (weak(edge)) continue;
    edge.src = place[static_cast<std::size_t>(edge.src)];
    edge.dst = place[static_cast<std::size_t>(edge.dst)];
    out.edges.push_back(std::move(edge));
  }
  return out;
}

} // namespace headscope::gui
