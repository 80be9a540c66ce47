// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/circuits/export.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <set>

#include <nlohmann/json.hpp>

namespace headscope {
namespace {

constexpr Named<GraphFormat> format_names[] = {
    {GraphFormat::dot, "dot", "Graphviz: the circuit's nodes and edges, layer above layer"},
    {GraphFormat::graphml, "graphml", "the circuit's nodes and edges with their scores (yEd, Gephi, NetworkX)"},
    {GraphFormat::json, "json", "every edge, as EAP-IG writes them and the MIB benchmark reads them"},
};

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

// The rows of the stored graph that are drawn: those that belong to the circuit.
struct Drawn {
  store::Graph graph;
  std::set<std::int64_t> nodes;
  // Links from K/V heads to the heads that read them: not edges of the graph, but parts of its paths.
  std::vector<std::pair<std::int64_t, std::int64_t>> shared;
};

Drawn drawn_of(const ScoredCircuit& circuit) {
  Drawn out{to_store(circuit), {}, {}};
  for (std::size_t i = 0; i < out.graph.nodes.size(); ++i)
    if (out.graph.nodes[i].in_circuit) out.nodes.insert(static_cast<std::int64_t>(i));
  for (const std::int64_t row : out.nodes) {
    const store::GraphNode& node = out.graph.nodes[static_cast<std::size_t>(row)];
    if (node.kind != "kv_head") continue;
    for (const int head : circuit.graph.fed_by(circuit.graph.receiver(ReceiverKind::k, node.layer, node.head)))
      if (out.nodes.contains(head)) out.shared.emplace_back(row, head);
  }
  return out;
}

std::string escaped(const std::string& text, bool xml) {
  std::string out;
  for (const char c : text) {
    if (xml && c == '&')
      out += "&amp;";
    else if (xml && c == '<')
      out += "&lt;";
    else if (xml && c == '>')
      out += "&gt;";
    else if (xml && c == '"')
      out += "&quot;";
    else if (!xml && (c == '"' || c == '\\'))
      out.append("\\").append(1, c);
    else
      out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out;
}

// Colours of Okabe and Ito's palette, which most people with colour blindness can tell apart.
const char* color_of(const std::string& kind) {
  if (kind == "q") return "#0072B2";
  if (kind == "k") return "#E69F00";
  if (kind == "v") return "#009E73";
  return "#555555";
}

std::string to_dot(const ScoredCircuit& circuit) {
  const Drawn drawn = drawn_of(circuit);
  double largest = 0.0;
  for (const store::GraphEdge& edge : drawn.graph.edges)
    if (edge.in_circuit && std::isfinite(edge.score)) largest = std::max(largest, std::abs(edge.score));
  std::string out = "digraph \"" + escaped(circuit.name, false) + "\" {\n  rankdir=BT;\n";
  out += "  label=\"" +
         escaped(circuit.model + ", " + circuit.task + ": " + circuit.method + ", " + circuit.metric, false) + "\";\n";
  out += "  node [shape=box, style=rounded, fontname=Helvetica];\n";
  for (const std::int64_t row : drawn.nodes)
    out += "  \"" + drawn.graph.nodes[static_cast<std::size_t>(row)].name + "\";\n";
  const auto arrow = [&](std::int64_t from, std::int64_t to) {
    return "  \"" + drawn.graph.nodes[static_cast<std::size_t>(from)].name + "\" -> \"" +
           drawn.graph.nodes[static_cast<std::size_t>(to)].name + "\" [";
  };
  for (const store::GraphEdge& edge : drawn.graph.edges) {
    if (!edge.in_circuit) continue;
    const double width = largest > 0.0 && std::isfinite(edge.score) ? 0.6 + 4.4 * std::abs(edge.score) / largest : 0.6;
    out += arrow(edge.src, edge.dst) + "label=\"" + edge.kind + "\", color=\"" + color_of(edge.kind) +
           "\", penwidth=" + number(width) + ", tooltip=\"" + number(edge.score) + "\"];\n";
  }
  for (const auto& [from, to] : drawn.shared)
    out += arrow(from, to) + "style=dashed, color=\"#AAAAAA\"];\n";
  return out + "}\n";
}

std::string to_graphml(const ScoredCircuit& circuit) {
  const Drawn drawn = drawn_of(circuit);
  std::string out =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n";
  for (const auto& [id, whose, type] : {std::array<const char*, 3>{"kind", "node", "string"},
                                        {"layer", "node", "int"},
                                        {"head", "node", "int"},
                                        {"node_score", "node", "double"},
                                        {"input", "edge", "string"},
                                        {"score", "edge", "double"}})
    out += std::string("  <key id=\"") + id + "\" for=\"" + whose + "\" attr.name=\"" + id + "\" attr.type=\"" + type +
           "\"/>\n";
  out += "  <graph id=\"" + escaped(circuit.name, true) + "\" edgedefault=\"directed\">\n";
  const auto data = [](const char* key, const std::string& value) {
    return std::string("<data key=\"") + key + "\">" + value + "</data>";
  };
  for (const std::int64_t row : drawn.nodes) {
    const store::GraphNode& node = drawn.graph.nodes[static_cast<std::size_t>(row)];
    out += "    <node id=\"" + node.name + "\">" + data("kind", node.kind) + data("layer", std::to_string(node.layer)) +
           data("head", std::to_string(node.head));
    if (std::isfinite(node.score)) out += data("node_score", number(node.score));
    out += "</node>\n";
  }
  const auto edge_line = [&](std::int64_t from, std::int64_t to, const std::string& values) {
    return "    <edge source=\"" + drawn.graph.nodes[static_cast<std::size_t>(from)].name + "\" target=\"" +
           drawn.graph.nodes[static_cast<std::size_t>(to)].name + "\">" + values + "</edge>\n";
  };
  for (const store::GraphEdge& edge : drawn.graph.edges)
    if (edge.in_circuit)
      out += edge_line(edge.src, edge.dst,
                       data("input", edge.kind) + (std::isfinite(edge.score) ? data("score", number(edge.score)) : ""));
  for (const auto& [from, to] : drawn.shared)
    out += edge_line(from, to, data("input", "shared"));
  return out + "  </graph>\n</graphml>\n";
}

// The names that EAP-IG has for an edge: one, or one for each head of a shared K/V head.
std::vector<std::string> eap_names(const ComputationalGraph& graph, std::int64_t edge) {
  const EdgeEnds ends = graph.ends(edge);
  const Receiver& receiver = graph.receivers()[static_cast<std::size_t>(ends.receiver)];
  const std::string from = graph.sender_name(ends.sender) + "->";
  if (receiver.kind != ReceiverKind::k && receiver.kind != ReceiverKind::v) return {graph.edge_name(edge)};
  std::vector<std::string> names;
  for (const int head : graph.fed_by(ends.receiver))
    names.push_back(from + graph.sender_name(head) + (receiver.kind == ReceiverKind::k ? "<k>" : "<v>"));
  return names;
}

std::string to_json(const ScoredCircuit& circuit) {
  const ComputationalGraph& graph = circuit.graph;
  const double sign = circuit.lower_is_better ? 1.0 : -1.0;
  nlohmann::json nodes, edges;
  const std::vector<std::uint8_t> members = nodes_of(graph, circuit.circuit);
  for (int s = 0; s < static_cast<int>(graph.senders().size()); ++s) {
    const auto i = static_cast<std::size_t>(s);
    nodes[graph.sender_name(s)] = {{"in_graph", members[i] != 0}};
    if (std::isfinite(circuit.node_scores[i])) nodes[graph.sender_name(s)]["score"] = sign * circuit.node_scores[i];
  }
  nodes["logits"] = {{"in_graph", true}};
  for (std::int64_t e = 0; e < graph.edge_count(); ++e) {
    const auto i = static_cast<std::size_t>(e);
    const std::vector<std::string> names = eap_names(graph, e);
    const double score = std::isfinite(circuit.scores[i]) ? circuit.scores[i] : 0.0;
    for (const std::string& name : names)
      edges[name] = {{"score", sign * score / static_cast<double>(names.size())},
                     {"in_graph", circuit.circuit.edges[i] != 0}};
  }
  const nlohmann::json document = {{"cfg",
                                    {{"n_layers", graph.shape().n_layers},
                                     {"n_heads", graph.shape().n_heads},
                                     {"parallel_attn_mlp", graph.shape().parallel},
                                     {"d_model", circuit.d_model}}},
                                   {"nodes", nodes},
                                   {"edges", edges}};
  return document.dump() + "\n";
}

} // namespace

template <> std::span<const Named<GraphFormat>> names_of<GraphFormat>() { return format_names; }

std::string export_graph(const ScoredCircuit& circuit, GraphFormat format) {
  switch (format) {
  case GraphFormat::dot: return to_dot(circuit);
  case GraphFormat::graphml: return to_graphml(circuit);
  case GraphFormat::json: break;
  }
  return to_json(circuit);
}

} // namespace headscope
