// SPDX-License-Identifier: GPL-3.0-or-later
// Circuits in result files, and exported for other programs.
#include "core/circuits/scored_circuit.h"

#include <filesystem>

#include <gmock/gmock.h>

#include "core/circuits/export.h"
#include "core/store/result_file.h"
#include "tests/circuits/golden.h"
#include "tests/new_folder.h"

namespace headscope {
namespace {

using test::must;
using testing::HasSubstr;
using testing::Not;

ScoredCircuit sample(const GraphShape& shape) {
  ScoredCircuit out(shape);
  out.name = "ioi";
  out.task = "indirect \"object\" & more";
  out.metric = "logit_diff";
  out.method = "eap";
  out.ablation = "patch";
  for (std::size_t e = 0; e < out.scores.size(); ++e)
    if (e % 11 != 10) out.scores[e] = std::sin(static_cast<double>(e));
  for (std::size_t s = 0; s < out.node_scores.size(); ++s)
    out.node_scores[s] = static_cast<double>(s) / 8;
  out.circuit = build_circuit(out.graph, out.importance(), {BuildRule::top_n, 20, 0.0, true, true});
  out.model = "tiny";
  out.model_sha256 = "abc";
  out.d_model = 16;
  out.details = {{"clean", 1.5}};
  return out;
}

void expect_same(const ScoredCircuit& got, const ScoredCircuit& wanted) {
  EXPECT_EQ(got.graph.shape(), wanted.graph.shape());
  EXPECT_EQ(got.circuit.edges, wanted.circuit.edges);
  EXPECT_THAT(got.node_scores, testing::ElementsAreArray(wanted.node_scores));
  EXPECT_THAT(got.scores, testing::Pointwise(testing::NanSensitiveDoubleEq(), wanted.scores));
  EXPECT_EQ(got.task, wanted.task);
  EXPECT_EQ(got.metric, wanted.metric);
  EXPECT_EQ(got.method, wanted.method);
  EXPECT_EQ(got.ablation, wanted.ablation);
  EXPECT_EQ(got.model_sha256, wanted.model_sha256);
  EXPECT_EQ(got.d_model, wanted.d_model);
  ASSERT_EQ(got.details.size(), 1U);
  EXPECT_EQ(got.details[0].name, "clean");
}

const std::vector<GraphShape>& shapes() {
  static const std::vector<GraphShape> all = {
      {2, 4, 4, true, false}, {2, 4, 2, true, false}, {2, 4, 1, false, false}, {2, 2, 2, true, true}};
  return all;
}

TEST(ScoredCircuits, GoThroughAFile) {
  const std::filesystem::path folder = test::new_folder();
  const std::string path = folder / "circuit.h5";
  for (const GraphShape& shape : shapes()) {
    const ScoredCircuit wanted = sample(shape);
    ASSERT_GT(wanted.circuit.size(), 0);
    auto writer = must(store::ResultWriter::create(path, {.overwrite = true, .provenance = {}}));
    ASSERT_TRUE(writer.add_graph(to_store(wanted)).ok());
    ASSERT_TRUE(writer.commit().ok());
    const auto reader = must(store::ResultReader::open(path));
    expect_same(must(from_store(must(reader.graph("ioi")))), wanted);
  }
  std::filesystem::remove_all(folder);
}

TEST(ScoredCircuits, RefuseAGraphThatIsNotOfItsShape) {
  const store::Graph good = to_store(sample(shapes()[1]));
  ASSERT_TRUE(from_store(good).ok());
  const auto fails = [&](auto&& change) {
    store::Graph bad = good;
    change(bad);
    const auto result = from_store(bad);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, ErrorCode::corrupt);
  };
  const auto set = [](store::Graph& graph, const char* name, const store::AttributeValue& value) {
    for (auto& attribute : graph.attributes)
      if (attribute.name == name) attribute.value = value;
  };
  fails([](store::Graph& g) { g.edges.pop_back(); });
  fails([](store::Graph& g) { std::swap(g.edges[0], g.edges[30]); });
  fails([](store::Graph& g) { g.nodes[3].name = "a0.h9"; });
  fails([](store::Graph& g) { g.nodes.pop_back(); });
  fails([](store::Graph& g) { g.attributes.clear(); });
  fails([&](store::Graph& g) { set(g, "n_layers", std::int64_t{99999}); });
  fails([&](store::Graph& g) { set(g, "n_kv_heads", std::int64_t{0}); });
  fails([&](store::Graph& g) { set(g, "n_heads", std::string("four")); });
  fails([&](store::Graph& g) { set(g, "parallel_attn_mlp", true); });
}

TEST(Export, JsonHasEveryEdgeAsEapIgNamesIt) {
  for (const GraphShape& shape : shapes()) {
    const ScoredCircuit circuit = sample(shape);
    const auto json = nlohmann::json::parse(export_graph(circuit, GraphFormat::json));
    EXPECT_EQ(json.at("cfg").at("n_heads"), shape.n_heads);
    EXPECT_EQ(json.at("cfg").at("parallel_attn_mlp"), shape.parallel);
    // The graph that EAP-IG builds from cfg, with one K/V head per head.
    const ComputationalGraph ungrouped({shape.n_layers, shape.n_heads, shape.n_heads, shape.mlp, shape.parallel});
    EXPECT_EQ(static_cast<std::int64_t>(json.at("edges").size()), ungrouped.edge_count());
    double sum = 0.0, wanted = 0.0;
    for (std::int64_t e = 0; e < ungrouped.edge_count(); ++e) {
      const auto& edge = json.at("edges").at(ungrouped.edge_name(e));
      const auto native = static_cast<std::size_t>(must(circuit.graph.find_edge(ungrouped.edge_name(e))));
      EXPECT_EQ(edge.at("in_graph").get<bool>(), circuit.circuit.edges[native] != 0);
      sum += edge.at("score").get<double>();
    }
    for (const double importance : circuit.importance())
      wanted += std::isnan(importance) ? 0.0 : importance;
    EXPECT_NEAR(sum, wanted, 1e-9);
    EXPECT_EQ(json.at("nodes").size(), circuit.graph.senders().size() + 1);
  }
}

TEST(Export, DrawingsHaveTheCircuitAndNothingElse) {
  const ScoredCircuit circuit = sample(shapes()[1]);
  const std::string dot = export_graph(circuit, GraphFormat::dot), xml = export_graph(circuit, GraphFormat::graphml);
  const auto count = [](const std::string& text, const std::string& word) {
    std::int64_t n = 0;
    for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1))
      ++n;
    return n;
  };
  EXPECT_EQ(count(dot, "penwidth="), circuit.circuit.size());
  EXPECT_EQ(
      count(xml, "data key=\"score\""), circuit.circuit.size() - [&] {
        std::int64_t n = 0;
        for (std::size_t e = 0; e < circuit.scores.size(); ++e)
          n += circuit.circuit.edges[e] && std::isnan(circuit.scores[e]);
        return n;
      }());
  EXPECT_THAT(dot, HasSubstr("\\\"object\\\""));
  EXPECT_THAT(xml, Not(HasSubstr("nan")));
  EXPECT_THAT(dot, HasSubstr("\"logits\""));
}

} // namespace
} // namespace headscope
