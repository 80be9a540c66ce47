// SPDX-License-Identifier: GPL-3.0-or-later
// Graphs, names, circuits from scores, pruning and comparison.
#include "core/circuits/graph.h"

#include <set>

#include <gmock/gmock.h>

#include "core/circuits/circuit.h"
#include "tests/circuits/golden.h"

namespace headscope {
namespace {

using test::must;
using testing::ElementsAre;
using testing::HasSubstr;

GraphShape shape(std::int64_t layers, std::int64_t heads, std::int64_t kv) { return {layers, heads, kv, true, false}; }

TEST(Graph, CountsAreThePublishedOnes) {
  EXPECT_EQ(ComputationalGraph(shape(12, 12, 12)).edge_count(), 32491); // GPT-2 small: hannamw/EAP-IG
  GraphShape pythia = shape(24, 16, 16);
  pythia.parallel = true;
  std::int64_t edges = 0; // EAP-IG's loop for parallel_attn_mlp
  std::int64_t stream = 1;
  for (int layer = 0; layer < 24; ++layer) {
    edges += stream * (3 * 16 + 1);
    stream += 17;
  }
  EXPECT_EQ(ComputationalGraph(pythia).edge_count(), edges + stream);
  const ComputationalGraph smollm2(shape(30, 9, 3));
  EXPECT_EQ(smollm2.senders().size(), 301U);
  EXPECT_EQ(smollm2.receivers().size(), 30U * 16 + 1);
}

TEST(Graph, EdgesAreThoseOfThePlainForwardPass) {
  for (const std::string name : {"gpt2", "llama", "gpt_neox", "gpt_neox_serial"}) {
    const test::Golden golden = test::load_golden(name);
    std::set<std::string> wanted, got;
    for (const auto& [edge, value] : golden.data.at("scores").at("logit_diff eap patch").items())
      wanted.insert(edge);
    for (std::int64_t e = 0; e < golden.graph.edge_count(); ++e)
      got.insert(golden.graph.edge_name(e));
    EXPECT_EQ(got, wanted) << name;
  }
}

TEST(Graph, NamesAreReadBack) {
  for (const GraphShape& s : {shape(3, 4, 4), shape(2, 4, 2), GraphShape{2, 4, 1, false, false}}) {
    const ComputationalGraph graph(s);
    for (std::int64_t e = 0; e < graph.edge_count(); ++e) {
      const EdgeEnds ends = graph.ends(e);
      EXPECT_EQ(graph.edge(ends), e);
      EXPECT_EQ(must(graph.find_edge(graph.edge_name(e))), e);
    }
    for (int i = 0; i < static_cast<int>(graph.senders().size()); ++i) {
      const Sender& sender = graph.senders()[static_cast<std::size_t>(i)];
      EXPECT_EQ(graph.sender(sender.kind, sender.layer, sender.head), i);
    }
    for (int i = 0; i < static_cast<int>(graph.receivers().size()); ++i) {
      const Receiver& receiver = graph.receivers()[static_cast<std::size_t>(i)];
      EXPECT_EQ(graph.receiver(receiver.kind, receiver.layer, receiver.head), i);
      for (const int fed : graph.fed_by(i))
        EXPECT_THAT(graph.inputs_of(fed), testing::Contains(i));
    }
  }
}

TEST(Graph, NamesAsPeopleWriteThem) {
  const ComputationalGraph graph(shape(12, 12, 12));
  EXPECT_EQ(graph.edge_name(must(graph.find_edge("a9.h9->a10.h0<q>"))), "a9.h9->a10.h0<q>");
  EXPECT_EQ(must(graph.find_edge("9.9->L10H0<q>")), must(graph.find_edge("a9.h9->a10.h0<q>")));
  for (const char* name : {"a9.h9", "L9H9", "9.9"})
    EXPECT_EQ(graph.sender_name(must(graph.find_sender(name))), "a9.h9");
  EXPECT_EQ(graph.sender_name(must(graph.find_sender("m11"))), "m11");
  const ComputationalGraph grouped(shape(30, 9, 3));
  EXPECT_EQ(grouped.edge_name(must(grouped.find_edge("m1->a5.h7<k>"))), "m1->a5.kv2<k>");
  EXPECT_THAT(grouped.fed_by(must(grouped.find_receiver("a0.kv1<v>"))),
              ElementsAre(must(grouped.find_sender("0.3")), must(grouped.find_sender("0.4")),
                          must(grouped.find_sender("0.5"))));
  for (const char* name : {"", "a9", "a9.h12", "a12.h0", "m12", "a9.h9x", "9.-1", "-1.2", "L9", "a.h1", "logits"})
    EXPECT_FALSE(graph.find_sender(name).ok()) << name;
  for (const char* name : {"", "a9.h9", "a9.h9<x>", "a9.h9<q", "a9.kv1<q>", "m12", "<q>"})
    EXPECT_FALSE(graph.find_receiver(name).ok()) << name;
  for (const char* name : {"a9.h9", "a9.h9->", "->m3", "a9.h9->a9.h9<q>", "m3->m3", "logits->m3", "m3->input"})
    EXPECT_FALSE(graph.find_edge(name).ok()) << name;
}

std::vector<std::string> names(const ComputationalGraph& graph, const Circuit& circuit) {
  std::vector<std::string> out;
  for (std::size_t e = 0; e < circuit.edges.size(); ++e)
    if (circuit.edges[e]) out.push_back(graph.edge_name(static_cast<std::int64_t>(e)));
  return out;
}

class Small : public testing::Test {
protected:
  ComputationalGraph graph{shape(2, 2, 2)};
  std::vector<double> importance = std::vector<double>(static_cast<std::size_t>(graph.edge_count()), 0.0);
  double& of(const char* edge) { return importance[static_cast<std::size_t>(must(graph.find_edge(edge)))]; }
};

TEST_F(Small, TopEdgesAndPruning) {
  of("input->a0.h1<v>") = 3;
  of("a0.h1->m1") = -5;
  of("m1->logits") = 4;
  of("m0->logits") = 9;      // nothing comes into m0
  of("input->a1.h0<q>") = 8; // nothing leaves a1.h0
  BuildOptions options{.rule = BuildRule::top_n, .edges = 5};
  EXPECT_THAT(names(graph, build_circuit(graph, importance, options)),
              ElementsAre("input->a0.h1<v>", "a0.h1->m1", "m1->logits"));
  options.prune = false;
  EXPECT_EQ(build_circuit(graph, importance, options).size(), 5);
  options.absolute = false;
  options.edges = 4;
  EXPECT_THAT(names(graph, build_circuit(graph, importance, options)),
              ElementsAre("input->a0.h1<v>", "input->a1.h0<q>", "m0->logits", "m1->logits"));
}

TEST_F(Small, GreedyTakesOnlyWhatLeadsToTheLogits) {
  of("input->a0.h1<v>") = 3;
  of("a0.h1->m1") = 2;
  of("m1->logits") = 1;
  of("input->a1.h0<q>") = 8;
  const BuildOptions options{.rule = BuildRule::greedy, .edges = 3};
  EXPECT_THAT(names(graph, build_circuit(graph, importance, options)),
              ElementsAre("input->a0.h1<v>", "a0.h1->m1", "m1->logits"));
}

TEST_F(Small, ThresholdAndWhatWasNotMeasured) {
  of("input->logits") = 2;
  of("input->m0") = NAN;
  of("m0->logits") = 2.5;
  BuildOptions options{.rule = BuildRule::threshold, .threshold = 2};
  options.prune = false;
  EXPECT_THAT(names(graph, build_circuit(graph, importance, options)), ElementsAre("input->logits", "m0->logits"));
  options.rule = BuildRule::top_n;
  options.edges = 1000;
  EXPECT_EQ(build_circuit(graph, importance, options).size(), graph.edge_count() - 1);
}

TEST_F(Small, NothingIsLeftOfDisconnectedPieces) {
  EXPECT_EQ(prune(graph, empty_circuit(graph)).size(), 0);
  // The edge from input to logits alone is a path: whatever its rank, exactly that many edges are needed.
  std::vector<double> ranked(static_cast<std::size_t>(graph.edge_count()));
  for (std::size_t i = 0; i < ranked.size(); ++i)
    ranked[i] = static_cast<double>(ranked.size() - i);
  const BuildOptions top{.rule = BuildRule::top_n};
  const std::int64_t first = first_connected(graph, ranked, top);
  EXPECT_GT(build_circuit(graph, ranked, {.rule = BuildRule::top_n, .edges = first}).size(), 0);
  EXPECT_EQ(build_circuit(graph, ranked, {.rule = BuildRule::top_n, .edges = first - 1}).size(), 0);
  EXPECT_EQ(first_connected(graph, std::vector<double>(ranked.size(), NAN), top), 0);
  EXPECT_EQ(prune(graph, whole_circuit(graph)).size(), graph.edge_count());
  EXPECT_EQ(complement(whole_circuit(graph)).size(), 0);
}

TEST(Pruning, IsThatOfThePlainForwardPass) {
  for (const std::string name : {"gpt2", "llama", "gpt_neox", "gpt_neox_serial"}) {
    const test::Golden golden = test::load_golden(name);
    for (const auto& wanted : golden.data.at("circuits")) {
      Circuit circuit = empty_circuit(golden.graph);
      for (const std::string edge : wanted.at("edges"))
        circuit.edges[static_cast<std::size_t>(must(golden.graph.find_edge(edge)))] = 1;
      const auto got = names(golden.graph, prune(golden.graph, circuit));
      EXPECT_THAT(got, testing::UnorderedElementsAreArray(wanted.at("alive").get<std::vector<std::string>>())) << name;
    }
  }
}

TEST_F(Small, Comparison) {
  Circuit a = empty_circuit(graph), b = empty_circuit(graph);
  for (const char* edge : {"input->a0.h0<q>", "a0.h0->m1", "m1->logits"})
    a.edges[static_cast<std::size_t>(must(graph.find_edge(edge)))] = 1;
  for (const char* edge : {"input->a0.h1<q>", "a0.h1->m1", "m1->logits"})
    b.edges[static_cast<std::size_t>(must(graph.find_edge(edge)))] = 1;
  const CircuitComparison both = must(compare_circuits(graph, a, b));
  EXPECT_EQ(both.edges.both, 1);
  EXPECT_DOUBLE_EQ(both.edges.jaccard(), 0.2);
  EXPECT_EQ(both.heads.both, 0);
  EXPECT_EQ(both.mlps.both, 1);
  EXPECT_DOUBLE_EQ(both.mlps.jaccard(), 1.0);
  EXPECT_THAT(both.first_only, ElementsAre(must(graph.find_sender("0.0"))));
  EXPECT_THAT(both.second_only, ElementsAre(must(graph.find_sender("0.1"))));
  EXPECT_FALSE(compare_circuits(graph, a, Circuit{}).ok());
}

} // namespace
} // namespace headscope
