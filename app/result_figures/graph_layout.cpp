// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/result_figures/graph_layout.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <set>

namespace headscope {
namespace {

using figures::FigureNode;
using figures::NodeKind;
using Indices = std::vector<std::size_t>;

constexpr double node_height = 18, row_gap = 7, column_gap = 24;
constexpr double character = 7.0, least_width = 38, most_width = 130; // of a node
constexpr std::size_t most_in_row = 48;

constexpr int input_row = -1, output_row = std::numeric_limits<int>::max();

// The node's head index in its layer; -1 for nodes that are not heads.
int head_of(const store::GraphNode& node) { return node_kind(node) == NodeKind::head ? node.head : -1; }

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

int row_of(const store::GraphNode& node) {
  switch (node_kind(node)) {
  case NodeKind::output: return output_row;
  case NodeKind::input: return input_row;
  default: return std::max(node.layer, 0);
  }
}

// How many heads share a K/V head; 0: the graph does not say, or none share.
int heads_per_kv(const store::Graph& graph) {
  const auto count = [&](const char* name) {
    const auto* value = store::find_attribute(graph.attributes, name);
    const auto* number = value ? std::get_if<std::int64_t>(value) : nullptr;
    return number && *number > 0 && *number < 65536 ? *number : 0;
  };
  const std::int64_t heads = count("n_heads"), shared = count("n_kv_heads");
  return shared > 0 && heads > shared && heads % shared == 0 ? static_cast<int>(heads / shared) : 0;
}

// The fewest columns of heads that a layer with this node has: a K/V head is placed among those that read it.
int columns_of(const store::GraphNode& node, int group) {
  return is_kv_head(node) && node.head >= 0 && node.head < 65536 ? (node.head + 1) * group : head_of(node) + 1;
}

struct Columns {
  int heads = 0;    // columns that heads have in every layer
  int group = 0;    // heads that share a K/V head; 0: not known
  double width = 0; // of a node
  double pitch() const { return width + column_gap; }
  double x(double column) const { return (column - (heads - 1) / 2.0) * pitch(); }
};

// Whether the nodes are heads with distinct numbers; then a head is in the same column in every layer.
bool numbered(const store::Graph& graph, const Indices& row) {
  std::set<int> seen;
  for (const std::size_t i : row)
    if (const int head = head_of(graph.nodes[i]); head >= 0 && !seen.insert(head).second) return false;
  return std::all_of(seen.begin(), seen.end(), [](int head) { return head < static_cast<int>(most_in_row); });
}

// Places one row with its foot at y = 0, growing upwards; returns its height in rows.
double place_row(const store::Graph& graph, Indices row, const Columns& columns, std::vector<FigureNode>& nodes) {
  const double step = node_height + row_gap;
  std::stable_sort(row.begin(), row.end(), [&](std::size_t a, std::size_t b) {
    const auto key = [&](std::size_t i) {
      return head_of(graph.nodes[i]) < 0 ? std::numeric_limits<int>::max() : head_of(graph.nodes[i]);
    };
    return key(a) < key(b);
  });
  const bool layer = row_of(graph.nodes[row[0]]) != input_row && row_of(graph.nodes[row[0]]) != output_row;
  if (layer && numbered(graph, row)) {
    // A K/V head goes below the middle of the heads that read it. Other nodes that are not heads go after the heads, a
    // little later in the layer: first the MLP, then K/V heads whose readers are unknown.
    const bool below = columns.group > 0 &&
                       std::any_of(row.begin(), row.end(), [&](std::size_t i) { return is_kv_head(graph.nodes[i]); });
    double beside = columns.heads;
    for (const std::size_t i : row) {
      const int head = head_of(graph.nodes[i]), shared = is_kv_head(graph.nodes[i]) ? graph.nodes[i].head : -1;
      const double foot = below ? -step : 0.0; // of the heads
      if (below && shared >= 0) {
        nodes[i].x = columns.x(shared * columns.group + (columns.group - 1) / 2.0);
        nodes[i].y = 0.0;
        continue;
      }
      nodes[i].x = columns.x(head >= 0 ? head : shared >= 0 ? columns.heads + 1 + shared : beside++);
      nodes[i].y = head >= 0 ? foot : foot - step * 0.4;
    }
    return below ? 2 : 1;
  }
  const std::size_t rows = (row.size() + most_in_row - 1) / most_in_row;
  const std::size_t in_row = (row.size() + rows - 1) / rows;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const std::size_t here = std::min(in_row, row.size() - i / in_row * in_row);
    nodes[row[i]].x = (static_cast<double>(i % in_row) - (static_cast<double>(here) - 1) / 2.0) * columns.pitch();
    nodes[row[i]].y = -step * static_cast<double>(i / in_row);
  }
  return static_cast<double>(rows);
}

void turn(GraphLayout& layout, double width) {
  // Upwards becomes rightwards; rows are as far apart as nodes are wide, and nodes of a row have room for edges between
  // them, since there are far fewer of them than rows.
  const double along = (width + column_gap) / (node_height + row_gap);
  const double across = (node_height + 3 * row_gap) / (width + column_gap);
  for (FigureNode& node : layout.nodes) {
    const double x = node.x;
    node.x = -node.y * along;
    node.y = x * across;
  }
  for (figures::FigureBand& band : layout.bands)
    band.at = -band.at * along;
}

} // namespace

NodeKind node_kind(const store::GraphNode& node) {
  if (node.kind == "group") return NodeKind::group;
  if (is_kv_head(node)) return NodeKind::other;
  if (node.head >= 0) return NodeKind::head;
  if (contains(node.kind, "mlp")) return NodeKind::mlp;
  if (contains(node.kind, "output") || contains(node.kind, "logit")) return NodeKind::output;
  if (node.layer < 0) return contains(node.name, "logit") ? NodeKind::output : NodeKind::input;
  return NodeKind::other;
}

bool is_kv_head(const store::GraphNode& node) { return node.kind == "kv_head"; }

std::vector<std::pair<std::size_t, std::size_t>> kv_readers(const store::Graph& graph) {
  std::vector<std::pair<std::size_t, std::size_t>> readers;
  const int group = heads_per_kv(graph);
  if (group == 0) return readers;
  std::map<std::pair<int, int>, std::size_t> shared; // layer and number
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
    if (is_kv_head(graph.nodes[i])) shared[{graph.nodes[i].layer, graph.nodes[i].head}] = i;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const int head = head_of(graph.nodes[i]);
    if (head < 0) continue;
    const auto found = shared.find({graph.nodes[i].layer, head / group});
    if (found != shared.end()) readers.emplace_back(found->second, i);
  }
  return readers;
}

GraphLayout lay_out(const store::Graph& graph, bool rightwards) {
  GraphLayout layout;
  layout.rightwards = rightwards;
  Columns columns;
  columns.width = least_width;
  columns.group = heads_per_kv(graph);
  std::map<int, Indices> rows;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const store::GraphNode& node = graph.nodes[i];
    layout.nodes.push_back({node.name, node_kind(node), 0, 0, 0, node_height, false, false});
    columns.width = std::clamp(static_cast<double>(node.name.size()) * character + 10, columns.width, most_width);
    rows[row_of(node)].push_back(i);
  }
  for (const auto& [row, indices] : rows)
    if (row != input_row && row != output_row && numbered(graph, indices))
      for (const std::size_t i : indices)
        columns.heads = std::max(columns.heads, columns_of(graph.nodes[i], columns.group));
  double y = 0;
  for (const auto& [row, indices] : rows) {
    const double high = place_row(graph, indices, columns, layout.nodes) * (node_height + row_gap);
    for (const std::size_t i : indices)
      layout.nodes[i].y += y;
    if (row != input_row && row != output_row)
      layout.bands.push_back({"layer " + std::to_string(row), y - (high - node_height - row_gap) / 2});
    y -= high;
  }
  for (FigureNode& node : layout.nodes)
    node.width = columns.width;
  if (rightwards) turn(layout, columns.width);
  return layout;
}

} // namespace headscope
