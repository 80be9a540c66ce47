// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/circuits/scored_circuit.h"

#include <algorithm>
#include <limits>

namespace headscope {
namespace {

// Rows of the nodes table: senders, then K/V heads where they are separate nodes, then the logits.
class NodeTable {
public:
  explicit NodeTable(const ComputationalGraph& graph) : graph_(graph) {}

  std::int64_t row_of(const Receiver& receiver) const {
    const GraphShape& shape = graph_.shape();
    const auto senders = static_cast<std::int64_t>(graph_.senders().size());
    switch (receiver.kind) {
    case ReceiverKind::logits: return senders + (grouped() ? shape.n_layers * shape.n_kv_heads : 0);
    case ReceiverKind::mlp: return graph_.sender(SenderKind::mlp, receiver.layer, -1);
    case ReceiverKind::q: break;
    default:
      if (grouped()) return senders + receiver.layer * shape.n_kv_heads + receiver.head;
    }
    return graph_.sender(SenderKind::head, receiver.layer, receiver.head);
  }

  std::vector<store::GraphNode> rows() const {
    std::vector<store::GraphNode> nodes;
    for (int s = 0; s < static_cast<int>(graph_.senders().size()); ++s) {
      const Sender& sender = graph_.senders()[static_cast<std::size_t>(s)];
      const char* kind = sender.kind == SenderKind::input ? "input" : sender.kind == SenderKind::mlp ? "mlp" : "head";
      nodes.push_back({graph_.sender_name(s), sender.layer, sender.head, kind});
    }
    for (const Receiver& receiver : graph_.receivers())
      if (grouped() && receiver.kind == ReceiverKind::k) {
        std::string name = graph_.receiver_name(graph_.receiver(receiver.kind, receiver.layer, receiver.head));
        nodes.push_back({name.substr(0, name.size() - 3), receiver.layer, receiver.head, "kv_head"});
      }
    nodes.push_back({"logits", -1, -1, "logits"});
    return nodes;
  }

private:
  bool grouped() const { return graph_.shape().n_kv_heads != graph_.shape().n_heads; }

  const ComputationalGraph& graph_;
};

const char* input_name(ReceiverKind kind) {
  switch (kind) {
  case ReceiverKind::q: return "q";
  case ReceiverKind::k: return "k";
  case ReceiverKind::v: return "v";
  case ReceiverKind::mlp: return "mlp";
  case ReceiverKind::logits: break;
  }
  return "logits";
}

// Reads the attributes that this file's writer made and removes them from the list.
class Fields {
public:
  explicit Fields(const store::Graph& graph) : graph_(graph), left_(graph.attributes) {}

  template <typename T> Status take(const char* name, T& out) {
    const auto found = std::find_if(left_.begin(), left_.end(), [&](const auto& a) { return a.name == name; });
    if (found == left_.end() || !std::holds_alternative<T>(found->value))
      return make_error(ErrorCode::corrupt, "is missing or has another type than it should", {},
                        "/graph/" + graph_.name + "@" + name);
    out = std::get<T>(found->value);
    left_.erase(found);
    return {};
  }
  store::Attributes rest() && { return std::move(left_); }

private:
  const store::Graph& graph_;
  store::Attributes left_;
};

Status take_shape(Fields& fields, GraphShape& shape) {
  HS_TRY(fields.take("n_layers", shape.n_layers));
  HS_TRY(fields.take("n_heads", shape.n_heads));
  HS_TRY(fields.take("n_kv_heads", shape.n_kv_heads));
  HS_TRY(fields.take("mlp", shape.mlp));
  HS_TRY(fields.take("parallel_attn_mlp", shape.parallel));
  constexpr std::int64_t most = 100000; // far beyond any model, and safe to multiply
  const bool sane = shape.n_layers > 0 && shape.n_layers < most && shape.n_heads > 0 && shape.n_heads < most &&
                    shape.n_kv_heads > 0 && shape.n_heads % shape.n_kv_heads == 0;
  return sane ? Status{} : make_error(ErrorCode::corrupt, "is not the shape of a model", {}, "n_heads");
}

// Counts the edges of a graph of this shape without building it: the file must hold that many.
std::int64_t expected_edges(const GraphShape& shape) {
  const std::int64_t inputs = shape.n_heads + 2 * shape.n_kv_heads, writes = shape.n_heads + (shape.mlp ? 1 : 0);
  double edges = 1.0;
  for (std::int64_t layer = 0; layer < shape.n_layers; ++layer)
    edges += static_cast<double>(inputs * (1 + layer * writes) +
                                 (shape.mlp ? 1 + layer * writes + (shape.parallel ? 0 : shape.n_heads) : 0) + writes);
  return edges < 1e15 ? static_cast<std::int64_t>(edges) : -1;
}

Status check_rows(const store::Graph& stored, const ComputationalGraph& graph) {
  const NodeTable table(graph);
  const auto fail = [&](const char* what) { return make_error(ErrorCode::corrupt, what, {}, "/graph/" + stored.name); };
  const auto nodes = table.rows();
  if (nodes.size() != stored.nodes.size()) return fail("has other nodes than a model of its shape");
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (nodes[i].name != stored.nodes[i].name) return fail("has other nodes than a model of its shape");
  std::size_t edge = 0;
  for (const Receiver& receiver : graph.receivers())
    for (int s = 0; s < receiver.reads; ++s, ++edge)
      if (stored.edges[edge].src != s || stored.edges[edge].dst != table.row_of(receiver))
        return fail("has its edges in another order than it should");
  return {};
}

} // namespace

ScoredCircuit::ScoredCircuit(const GraphShape& shape)
    : graph(shape), scores(static_cast<std::size_t>(graph.edge_count()), std::numeric_limits<double>::quiet_NaN()),
      node_scores(graph.senders().size(), std::numeric_limits<double>::quiet_NaN()), circuit(empty_circuit(graph)) {}

std::vector<double> ScoredCircuit::importance() const {
  std::vector<double> out = scores;
  if (!lower_is_better)
    for (double& score : out)
      score = -score;
  return out;
}

store::Graph to_store(const ScoredCircuit& circuit) {
  const ComputationalGraph& graph = circuit.graph;
  const GraphShape& shape = graph.shape();
  const NodeTable table(graph);
  store::Graph out;
  out.name = circuit.name;
  out.metric = circuit.metric;
  out.task = circuit.task;
  out.units = circuit.units;
  out.nodes = table.rows();
  const std::vector<std::uint8_t> members = nodes_of(graph, circuit.circuit);
  for (std::size_t s = 0; s < members.size(); ++s) {
    out.nodes[s].score = circuit.node_scores[s];
    out.nodes[s].in_circuit = members[s] != 0;
  }
  std::size_t edge = 0;
  for (const Receiver& receiver : graph.receivers())
    for (int s = 0; s < receiver.reads; ++s, ++edge) {
      const bool member = circuit.circuit.edges[edge] != 0;
      const std::int64_t row = table.row_of(receiver);
      out.edges.push_back({s, row, input_name(receiver.kind), circuit.scores[edge], member});
      if (member) out.nodes[static_cast<std::size_t>(row)].in_circuit = true;
    }
  out.attributes = {{"method", circuit.method},
                    {"ablation", circuit.ablation},
                    {"score_is", std::string("change of the metric when the edge is patched")},
                    {"lower_is_better", circuit.lower_is_better},
                    {"model", circuit.model},
                    {"model_sha256", circuit.model_sha256},
                    {"d_model", circuit.d_model},
                    {"n_layers", shape.n_layers},
                    {"n_heads", shape.n_heads},
                    {"n_kv_heads", shape.n_kv_heads},
                    {"mlp", shape.mlp},
                    {"parallel_attn_mlp", shape.parallel}};
  out.attributes.insert(out.attributes.end(), circuit.details.begin(), circuit.details.end());
  return out;
}

Result<ScoredCircuit> from_store(const store::Graph& stored) {
  Fields fields(stored);
  GraphShape shape;
  HS_TRY(take_shape(fields, shape));
  if (expected_edges(shape) != static_cast<std::int64_t>(stored.edges.size()))
    return make_error(ErrorCode::corrupt, "has other edges than a model of its shape", {}, "/graph/" + stored.name);
  ScoredCircuit out(shape);
  out.name = stored.name;
  out.task = stored.task;
  out.metric = stored.metric;
  out.units = stored.units;
  HS_TRY(check_rows(stored, out.graph));
  std::string meaning;
  HS_TRY(fields.take("method", out.method));
  HS_TRY(fields.take("ablation", out.ablation));
  HS_TRY(fields.take("score_is", meaning));
  HS_TRY(fields.take("lower_is_better", out.lower_is_better));
  HS_TRY(fields.take("model", out.model));
  HS_TRY(fields.take("model_sha256", out.model_sha256));
  HS_TRY(fields.take("d_model", out.d_model));
  out.details = std::move(fields).rest();
  for (std::size_t e = 0; e < stored.edges.size(); ++e) {
    out.scores[e] = stored.edges[e].score;
    out.circuit.edges[e] = stored.edges[e].in_circuit ? 1 : 0;
  }
  for (std::size_t s = 0; s < out.node_scores.size(); ++s)
    out.node_scores[s] = stored.nodes[s].score;
  return out;
}

} // namespace headscope
