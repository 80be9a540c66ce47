// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/circuits/circuit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <queue>
#include <utility>

namespace headscope {
namespace {

std::vector<double> ranking(const std::vector<double>& importance, bool absolute) {
  std::vector<double> out(importance.size());
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = std::isnan(importance[i]) ? -std::numeric_limits<double>::infinity()
             : absolute                ? std::abs(importance[i])
                                       : importance[i];
  return out;
}

bool measured(double rank) { return rank > -std::numeric_limits<double>::infinity(); }

void take_top(const std::vector<double>& rank, std::int64_t count, Circuit& circuit) {
  std::vector<std::size_t> order(rank.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rank[a] > rank[b]; });
  for (std::size_t i = 0; i < std::min(order.size(), static_cast<std::size_t>(std::max<std::int64_t>(count, 0))); ++i)
    circuit.edges[order[i]] = measured(rank[order[i]]) ? 1 : 0;
}

void take_greedily(const ComputationalGraph& graph, const std::vector<double>& rank, std::int64_t count,
                   Circuit& circuit) {
  struct Candidate {
    double rank;
    std::int64_t edge;
    bool operator<(const Candidate& other) const { return rank != other.rank ? rank < other.rank : edge > other.edge; }
  };
  std::priority_queue<Candidate> candidates;
  std::vector<std::uint8_t> opened(graph.receivers().size()), reached(graph.senders().size());
  const auto open = [&](int index) {
    if (std::exchange(opened[static_cast<std::size_t>(index)], 1)) return;
    const Receiver& receiver = graph.receivers()[static_cast<std::size_t>(index)];
    for (std::int64_t edge = receiver.first_edge; edge < receiver.first_edge + receiver.reads; ++edge)
      if (measured(rank[static_cast<std::size_t>(edge)])) candidates.push({rank[static_cast<std::size_t>(edge)], edge});
  };
  open(static_cast<int>(graph.receivers().size()) - 1);
  for (; count > 0 && !candidates.empty(); --count) {
    const std::int64_t edge = candidates.top().edge;
    candidates.pop();
    circuit.edges[static_cast<std::size_t>(edge)] = 1;
    const int sender = graph.ends(edge).sender;
    if (std::exchange(reached[static_cast<std::size_t>(sender)], 1)) continue;
    for (const int input : graph.inputs_of(sender))
      open(input);
  }
}

// Marks senders [sender] that lie on a path from the input to the logits along edges of the circuit.
std::vector<std::uint8_t> live_senders(const ComputationalGraph& graph, const Circuit& circuit) {
  const std::size_t n = graph.senders().size();
  std::vector<std::uint8_t> down(n), up(n);
  down[0] = 1;
  const auto edges_into = [&](int receiver, auto&& each) {
    const Receiver& input = graph.receivers()[static_cast<std::size_t>(receiver)];
    for (int s = 0; s < input.reads; ++s)
      if (circuit.edges[static_cast<std::size_t>(input.first_edge + s)]) each(static_cast<std::size_t>(s));
  };
  for (std::size_t s = 1; s < n; ++s) // the order of the forward pass: what feeds a sender comes before it
    for (const int input : graph.inputs_of(static_cast<int>(s)))
      edges_into(input, [&](std::size_t from) { down[s] |= down[from]; });
  edges_into(static_cast<int>(graph.receivers().size()) - 1, [&](std::size_t from) { up[from] = 1; });
  for (std::size_t s = n; s-- > 1;)
    if (up[s])
      for (const int input : graph.inputs_of(static_cast<int>(s)))
        edges_into(input, [&](std::size_t from) { up[from] = 1; });
  for (std::size_t s = 0; s < n; ++s)
    down[s] &= up[s];
  return down;
}

double share(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 1.0 : static_cast<double>(part) / static_cast<double>(whole);
}

} // namespace

std::int64_t Circuit::size() const { return std::count(edges.begin(), edges.end(), 1); }

Circuit whole_circuit(const ComputationalGraph& graph) {
  return {std::vector<std::uint8_t>(static_cast<std::size_t>(graph.edge_count()), 1)};
}
Circuit empty_circuit(const ComputationalGraph& graph) {
  return {std::vector<std::uint8_t>(static_cast<std::size_t>(graph.edge_count()), 0)};
}
Circuit complement(const Circuit& circuit) {
  Circuit out = circuit;
  for (std::uint8_t& edge : out.edges)
    edge = edge ? 0 : 1;
  return out;
}

Circuit build_circuit(const ComputationalGraph& graph, const std::vector<double>& importance,
                      const BuildOptions& options) {
  Circuit circuit = empty_circuit(graph);
  const std::vector<double> rank = ranking(importance, options.absolute);
  switch (options.rule) {
  case BuildRule::top_n: take_top(rank, options.edges, circuit); break;
  case BuildRule::greedy: take_greedily(graph, rank, options.edges, circuit); break;
  case BuildRule::threshold:
    for (std::size_t i = 0; i < rank.size(); ++i)
      circuit.edges[i] = measured(rank[i]) && rank[i] >= options.threshold ? 1 : 0;
    break;
  }
  return options.prune ? prune(graph, circuit) : circuit;
}

std::int64_t first_connected(const ComputationalGraph& graph, const std::vector<double>& importance,
                             BuildOptions options) {
  const auto connected = [&](std::int64_t edges) {
    options.edges = edges;
    options.prune = true;
    return build_circuit(graph, importance, options).size() > 0;
  };
  // A larger circuit contains every smaller one, so a path that exists stays: bisection works.
  std::int64_t below = 0, enough = graph.edge_count();
  if (!connected(enough)) return 0;
  while (enough - below > 1) {
    const std::int64_t middle = below + (enough - below) / 2;
    (connected(middle) ? enough : below) = middle;
  }
  return enough;
}

Circuit prune(const ComputationalGraph& graph, const Circuit& circuit) {
  const std::vector<std::uint8_t> live = live_senders(graph, circuit);
  Circuit out = circuit;
  for (std::size_t r = 0; r < graph.receivers().size(); ++r) {
    const Receiver& receiver = graph.receivers()[r];
    const std::vector<int> fed = graph.fed_by(static_cast<int>(r));
    const bool wanted = receiver.kind == ReceiverKind::logits ||
                        std::any_of(fed.begin(), fed.end(), [&](int s) { return live[static_cast<std::size_t>(s)]; });
    for (int s = 0; s < receiver.reads; ++s)
      if (!wanted || !live[static_cast<std::size_t>(s)])
        out.edges[static_cast<std::size_t>(receiver.first_edge + s)] = 0;
  }
  return out;
}

std::vector<std::uint8_t> nodes_of(const ComputationalGraph& graph, const Circuit& circuit) {
  std::vector<std::uint8_t> nodes(graph.senders().size());
  for (std::size_t edge = 0; edge < circuit.edges.size(); ++edge) {
    if (!circuit.edges[edge]) continue;
    const EdgeEnds ends = graph.ends(static_cast<std::int64_t>(edge));
    nodes[static_cast<std::size_t>(ends.sender)] = 1;
    const std::vector<int> fed = graph.fed_by(ends.receiver);
    if (fed.size() == 1) nodes[static_cast<std::size_t>(fed[0])] = 1; // of heads that share it none is meant
  }
  return nodes;
}

double Overlap::jaccard() const { return share(both, first + second - both); }
double Overlap::of_first() const { return share(both, first); }
double Overlap::of_second() const { return share(both, second); }

Result<CircuitComparison> compare_circuits(const ComputationalGraph& graph, const Circuit& first,
                                           const Circuit& second) {
  for (const Circuit* circuit : {&first, &second})
    if (static_cast<std::int64_t>(circuit->edges.size()) != graph.edge_count())
      return make_error(ErrorCode::mismatch,
                        "a circuit has " + std::to_string(circuit->edges.size()) + " edges, the graph " +
                            std::to_string(graph.edge_count()) + "; compare circuits of models of one shape",
                        {}, "circuit");
  CircuitComparison out;
  const auto count = [](Overlap& overlap, bool a, bool b) {
    overlap.first += a ? 1 : 0;
    overlap.second += b ? 1 : 0;
    overlap.both += a && b ? 1 : 0;
  };
  for (std::size_t i = 0; i < first.edges.size(); ++i)
    count(out.edges, first.edges[i], second.edges[i]);
  const auto a = nodes_of(graph, first), b = nodes_of(graph, second);
  for (std::size_t s = 0; s < a.size(); ++s) {
    count(out.nodes, a[s], b[s]);
    const SenderKind kind = graph.senders()[s].kind;
    if (kind == SenderKind::mlp) count(out.mlps, a[s], b[s]);
    if (kind != SenderKind::head) continue;
    count(out.heads, a[s], b[s]);
    if (!a[s] && !b[s]) continue;
    (a[s] && b[s] ? out.shared_heads : a[s] ? out.first_only : out.second_only).push_back(static_cast<int>(s));
  }
  return out;
}

} // namespace headscope
