// SPDX-License-Identifier: GPL-3.0-or-later
// Random graphs written as text, with the places where their nodes are named.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/random.h"

namespace headscope {

// Undirected, without loops.
struct Graph {
  std::vector<std::vector<bool>> edges; // [node][node], symmetric
  int nodes() const { return static_cast<int>(edges.size()); }
};

// A connected graph: a random tree and `more` further edges, or as many as there is room for.
Graph random_graph(Random& random, int nodes, int more);
// Edges on the shortest way between nodes, [node][node]; -1: there is none.
std::vector<std::vector<int>> hops(const Graph& graph);

// edges: "Anna - Bob;"; adjacency: "Anna: Bob, Carl;"; sentences: "Anna knows Bob."
enum class GraphForm : std::uint8_t { edges, adjacency, sentences };
inline constexpr std::array<const char*, 3> graph_forms = {"edges", "adjacency", "sentences"};

struct GraphText {
  struct Mention {
    int node = 0;
    int statement = 0;              // an edge, a list of neighbours, a sentence
    std::size_t begin = 0, end = 0; // bytes of the name
  };
  std::string text;
  std::vector<Mention> mentions; // in the order of the text
};

// Names that nodes can have, one word each.
const std::vector<std::string>& node_names();

// Statements stand in the order of `order`, indices of the edges (or nodes, for adjacency), with the ends of an edge
// the other way round where `turned` says so. The names are those of the nodes.
struct GraphWriting {
  GraphForm form = GraphForm::edges;
  std::vector<std::string> names;
  std::vector<std::size_t> order;
  std::vector<bool> turned;
};
// Draws names, order and turns.
GraphWriting draw_writing(Random& random, const Graph& graph, GraphForm form);
GraphText write_graph(const Graph& graph, const GraphWriting& writing);

} // namespace headscope
