// SPDX-License-Identifier: GPL-3.0-or-later
// Circuits of grouped-query models: where K/V heads are placed, and how edges into q, k and v are told apart.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "app/result_figures/graph_figure.h"
#include "tests/figures/with_fonts.h"

namespace headscope {
namespace {

using figures::EdgeLine;

// Two layers of four heads that share two K/V heads.
store::Graph grouped(bool says_how_many = true) {
  store::Graph graph;
  graph.name = "circuit";
  graph.metric = "logit_diff";
  graph.nodes.push_back({"input", -1, -1, "input"});
  for (int layer = 0; layer < 2; ++layer) {
    const std::string name = std::string("a").append(std::to_string(layer));
    for (int head = 0; head < 4; ++head)
      graph.nodes.push_back({name + ".h" + std::to_string(head), layer, head, "head"});
    graph.nodes.push_back({std::string("m").append(std::to_string(layer)), layer, -1, "mlp"});
    for (int kv = 0; kv < 2; ++kv)
      graph.nodes.push_back({name + ".kv" + std::to_string(kv), layer, kv, "kv_head"});
  }
  graph.nodes.push_back({"logits", -1, -1, "logits"});
  if (says_how_many) graph.attributes = {{"n_heads", std::int64_t{4}}, {"n_kv_heads", std::int64_t{2}}};
  return graph;
}

std::int64_t at(const store::Graph& graph, const std::string& name) {
  const auto found = std::find_if(graph.nodes.begin(), graph.nodes.end(),
                                  [&](const store::GraphNode& node) { return node.name == name; });
  return found - graph.nodes.begin();
}

store::GraphEdge edge(const store::Graph& graph, const char* src, const char* dst, const char* kind, double score) {
  return {at(graph, src), at(graph, dst), kind, score, true};
}

store::Graph with_edges() {
  store::Graph graph = grouped();
  graph.edges = {edge(graph, "input", "a0.h0", "q", 1.0), edge(graph, "input", "a0.kv0", "k", -0.5),
                 edge(graph, "input", "a0.kv0", "v", 0.25), edge(graph, "a0.h0", "logits", "logits", 0.75)};
  return graph;
}

TEST(KvHeads, AreReadByTheHeadsOfTheirGroup) {
  const store::Graph graph = grouped();
  std::vector<std::string> pairs;
  for (const auto& [kv, head] : kv_readers(graph))
    pairs.push_back(graph.nodes[kv].name + " " + graph.nodes[head].name);
  std::sort(pairs.begin(), pairs.end());
  EXPECT_EQ(pairs, (std::vector<std::string>{"a0.kv0 a0.h0", "a0.kv0 a0.h1", "a0.kv1 a0.h2", "a0.kv1 a0.h3",
                                             "a1.kv0 a1.h0", "a1.kv0 a1.h1", "a1.kv1 a1.h2", "a1.kv1 a1.h3"}));
  EXPECT_TRUE(kv_readers(grouped(false)).empty());
}

TEST(KvHeads, StandBelowTheMiddleOfTheirGroup) {
  const store::Graph graph = grouped();
  const GraphLayout placed = lay_out(graph);
  const auto node = [&](const char* name) { return placed.nodes[static_cast<std::size_t>(at(graph, name))]; };
  EXPECT_DOUBLE_EQ(node("a0.kv1").x, (node("a0.h2").x + node("a0.h3").x) / 2);
  EXPECT_GT(node("a0.kv1").y, node("a0.h2").y + node("a0.h2").height); // y goes down
  EXPECT_LT(node("a1.kv0").y, node("a0.h0").y);
}

TEST(KvHeads, OverlapNothing) {
  for (const bool says : {true, false})
    for (const bool rightwards : {false, true}) {
      const GraphLayout placed = lay_out(grouped(says), rightwards);
      for (std::size_t a = 0; a < placed.nodes.size(); ++a)
        for (std::size_t b = a + 1; b < placed.nodes.size(); ++b) {
          const auto &p = placed.nodes[a], &q = placed.nodes[b];
          EXPECT_TRUE(std::abs(p.x - q.x) >= p.width || std::abs(p.y - q.y) >= p.height) << p.label << " " << q.label;
        }
    }
}

TEST(KvHeads, OfPartsOfACircuitOverlapNothing) {
  store::Graph graph = grouped();
  // Keeps only the second group's K/V head, and the MLP of the layer below at its place.
  std::erase_if(graph.nodes, [](const store::GraphNode& node) {
    return node.kind == "head" && !(node.layer == 0 && node.head == 0);
  });
  const GraphLayout placed = lay_out(graph);
  for (std::size_t a = 0; a < placed.nodes.size(); ++a)
    for (std::size_t b = a + 1; b < placed.nodes.size(); ++b) {
      const auto &p = placed.nodes[a], &q = placed.nodes[b];
      EXPECT_TRUE(std::abs(p.x - q.x) >= p.width || std::abs(p.y - q.y) >= p.height) << p.label << " " << q.label;
    }
}

TEST(InputsOfHeads, AreLinesOfThreeKindsThatEndSideBySide) {
  const store::Graph graph = with_edges();
  const figures::GraphFigure figure = graph_figure(graph, lay_out(graph), 0.0, "test");
  ASSERT_EQ(figure.edges.size(), 4U);
  EXPECT_EQ(figure.edges[0].line, EdgeLine::solid);
  EXPECT_EQ(figure.edges[1].line, EdgeLine::dashed);
  EXPECT_EQ(figure.edges[2].line, EdgeLine::dotted);
  EXPECT_LT(figure.edges[1].port, figure.edges[2].port); // both go into one node
  EXPECT_DOUBLE_EQ(figure.edges[3].port, 0.0);
  ASSERT_EQ(figure.line_names.size(), 3U);
}

TEST(InputsOfHeads, AreNamedInTheLegend) {
  figures::with_fonts();
  const store::Graph graph = with_edges();
  const figures::FigureLayout placed = figures::layout(graph_figure(graph, lay_out(graph), 0.0, "test"), {}).value();
  const auto said = [&](const std::string& wanted) {
    return std::any_of(placed.texts.begin(), placed.texts.end(),
                       [&](const figures::TextBox& text) { return text.text == wanted; });
  };
  for (const char* wanted : {"into q", "into k", "into v", "K/V head and the heads that read it"})
    EXPECT_TRUE(said(wanted)) << wanted;
}

TEST(InputsOfHeads, AreNotSpokenOfWhereThereAreNone) {
  store::Graph graph = with_edges();
  graph.edges.erase(graph.edges.begin(), graph.edges.begin() + 3);
  const figures::GraphFigure figure = graph_figure(graph, lay_out(graph), 0.0, "test");
  EXPECT_TRUE(figure.line_names.empty());
  EXPECT_TRUE(figure.ties.empty());
}

TEST(Ties, AreThoseOfDrawnKvHeads) {
  const store::Graph graph = with_edges();
  const figures::GraphFigure figure = graph_figure(graph, lay_out(graph), 0.0, "test");
  ASSERT_EQ(figure.ties.size(), 2U);
  for (const figures::FigureTie& tie : figure.ties)
    EXPECT_EQ(graph.nodes[tie.a].name, "a0.kv0");
}

TEST(GraphRecords, HaveAColumnForEachThing) {
  const figures::Records records = graph_records(with_edges());
  EXPECT_EQ(records.rows(), 4U);
  EXPECT_EQ(std::get<std::vector<std::string>>(records.columns.at(3).values),
            (std::vector<std::string>{"q", "logits", "k", "v"})); // strongest first
  EXPECT_EQ(records.columns.back().name, "score");
}

} // namespace
} // namespace headscope
