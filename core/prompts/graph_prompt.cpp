// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/graph_prompt.h"

#include <numeric>
#include <queue>

namespace headscope {
namespace {

using Edge = std::pair<int, int>;

std::vector<Edge> edges_of(const Graph& graph) {
  std::vector<Edge> edges;
  for (int a = 0; a < graph.nodes(); ++a)
    for (int b = a + 1; b < graph.nodes(); ++b)
      if (graph.edges[static_cast<std::size_t>(a)][static_cast<std::size_t>(b)]) edges.emplace_back(a, b);
  return edges;
}

void connect(Graph& graph, std::size_t a, std::size_t b) { graph.edges[a][b] = graph.edges[b][a] = true; }

class Writer {
public:
  explicit Writer(const GraphWriting& writing) : writing_(writing) {}

  void name(int node, int statement) {
    out_.text += ' ';
    const std::size_t begin = out_.text.size();
    out_.text += writing_.names[static_cast<std::size_t>(node)];
    out_.mentions.push_back({node, statement, begin, out_.text.size()});
  }
  void write(const char* text) { out_.text += text; }
  GraphText take() { return std::move(out_); }

private:
  const GraphWriting& writing_;
  GraphText out_;
};

void write_edges(Writer& writer, const Graph& graph, const GraphWriting& writing) {
  const bool sentences = writing.form == GraphForm::sentences;
  const std::vector<Edge> edges = edges_of(graph);
  writer.write(sentences ? "Who knows whom:" : "Edges:");
  int statement = 0;
  for (const std::size_t at : writing.order) {
    auto [a, b] = edges[at];
    if (writing.turned[at]) std::swap(a, b);
    writer.name(a, statement);
    writer.write(sentences ? " knows" : " -");
    writer.name(b, statement++);
    writer.write(sentences ? "." : ";");
  }
}

void write_adjacency(Writer& writer, const Graph& graph, const GraphWriting& writing) {
  writer.write("Neighbours:");
  int statement = 0;
  for (const std::size_t node : writing.order) {
    writer.name(static_cast<int>(node), statement);
    const char* before = ":";
    for (int other = 0; other < graph.nodes(); ++other) {
      if (!graph.edges[node][static_cast<std::size_t>(other)]) continue;
      writer.write(before);
      writer.name(other, statement);
      before = ",";
    }
    writer.write(";");
    ++statement;
  }
}

} // namespace

Graph random_graph(Random& random, int nodes, int more) {
  const auto n = static_cast<std::size_t>(nodes);
  Graph graph{std::vector<std::vector<bool>>(n, std::vector<bool>(n, false))};
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  random.shuffle(order);
  for (std::size_t i = 1; i < n; ++i)
    connect(graph, order[i], order[random.below(i)]);
  std::vector<Edge> free;
  for (std::size_t a = 0; a < n; ++a)
    for (std::size_t b = a + 1; b < n; ++b)
      if (!graph.edges[a][b]) free.emplace_back(static_cast<int>(a), static_cast<int>(b));
  random.shuffle(free);
  for (std::size_t i = 0; i < free.size() && i < static_cast<std::size_t>(more); ++i)
    connect(graph, static_cast<std::size_t>(free[i].first), static_cast<std::size_t>(free[i].second));
  return graph;
}

std::vector<std::vector<int>> hops(const Graph& graph) {
  const auto n = static_cast<std::size_t>(graph.nodes());
  std::vector<std::vector<int>> away(n, std::vector<int>(n, -1));
  for (std::size_t from = 0; from < n; ++from) {
    std::queue<std::size_t> open;
    open.push(from);
    away[from][from] = 0;
    for (; !open.empty(); open.pop())
      for (std::size_t to = 0; to < n; ++to)
        if (graph.edges[open.front()][to] && away[from][to] < 0) {
          away[from][to] = away[from][open.front()] + 1;
          open.push(to);
        }
  }
  return away;
}

const std::vector<std::string>& node_names() {
  static const std::vector<std::string> names = {"John",  "Mary", "Tom",   "Paul", "Mark",   "Anna",  "Peter", "David",
                                                 "James", "Jane", "Sarah", "Mike", "Robert", "Alice", "Kate",  "Simon"};
  return names;
}

GraphWriting draw_writing(Random& random, const Graph& graph, GraphForm form) {
  GraphWriting writing;
  writing.form = form;
  writing.names = node_names();
  random.shuffle(writing.names);
  writing.names.resize(static_cast<std::size_t>(graph.nodes()));
  const std::size_t edges = edges_of(graph).size();
  writing.order.resize(form == GraphForm::adjacency ? static_cast<std::size_t>(graph.nodes()) : edges);
  std::iota(writing.order.begin(), writing.order.end(), std::size_t{0});
  random.shuffle(writing.order);
  for (std::size_t i = 0; i < edges; ++i)
    writing.turned.push_back(random.below(2) == 1);
  return writing;
}

GraphText write_graph(const Graph& graph, const GraphWriting& writing) {
  Writer writer(writing);
  if (writing.form == GraphForm::adjacency)
    write_adjacency(writer, graph, writing);
  else
    write_edges(writer, graph, writing);
  return writer.take();
}

} // namespace headscope
