// SPDX-License-Identifier: GPL-3.0-or-later
// Graph masks: tokens of a node see those of nodes within k edges.
#include <algorithm>
#include <map>
#include <set>

#include <ATen/ATen.h>

#include "core/base/text_file.h"
#include "core/io/toml_table.h"
#include "core/mechanisms/mechanism.h"
#include "core/mechanisms/spans.h"
#include "core/mechanisms/sparse.h"

namespace headscope::mechanisms {
namespace {

struct NodeGraph {
  std::vector<std::vector<Range>> tokens; // of each node
  std::vector<std::vector<bool>> near;    // [node][node]: within the hops

  // The node of a token, or -1.
  std::int64_t node_of(std::int64_t token) const {
    for (std::size_t node = 0; node < tokens.size(); ++node)
      if (holds(tokens[node], token)) return static_cast<std::int64_t>(node);
    return -1;
  }
};

// Pairs of nodes that at most `hops` edges lie between: from each node outwards, so that a large graph with many hops
// takes no longer than its edges, once for each node.
std::vector<std::vector<bool>> within(const std::vector<std::set<std::size_t>>& edges, std::int64_t hops) {
  const std::size_t n = edges.size();
  std::vector<std::vector<bool>> near(n, std::vector<bool>(n));
  for (std::size_t from = 0; from < n; ++from) {
    near[from][from] = true;
    std::vector<std::size_t> border = {from};
    for (std::int64_t hop = 0; hop < hops && !border.empty(); ++hop) {
      std::vector<std::size_t> next;
      for (const std::size_t node : border)
        for (const std::size_t to : edges[node]) {
          if (near[from][to]) continue;
          near[from][to] = true;
          next.push_back(to);
        }
      border = std::move(next);
    }
  }
  return near;
}

Result<NodeGraph> read_graph(const std::string& path, std::int64_t hops) {
  if (path.empty()) return make_error(ErrorCode::invalid_argument, "must name a file", {}, "file");
  HS_ASSIGN(const std::string text, read_text_file(path));
  HS_ASSIGN(TomlTable file, TomlTable::parse(text, path));
  NodeGraph graph;
  std::map<std::string, std::size_t> index;
  std::vector<std::pair<TomlTable, std::vector<std::string>>> ends; // of each node's edges
  for (TomlTable& node : file.tables("nodes")) {
    std::string name, tokens;
    std::vector<std::string> to;
    node.read("name", name);
    node.read("tokens", tokens);
    node.read("to", to);
    HS_TRY(node.done());
    auto spans = parse_spans(tokens, "tokens");
    if (!spans.ok() || spans->empty())
      return node.error_at("tokens", ErrorCode::invalid_argument, "must be positions like \"0-9+30-35\"");
    if (!index.emplace(name, graph.tokens.size()).second)
      return node.error_at("name", ErrorCode::invalid_argument, "'" + name + "' stands twice");
    graph.tokens.push_back(*spans);
    ends.emplace_back(node, to);
  }
  HS_TRY(file.done());
  if (ends.empty()) return file.error_at("nodes", ErrorCode::invalid_argument, "are missing; write [[nodes]]");
  std::vector<std::set<std::size_t>> edges(ends.size());
  for (std::size_t from = 0; from < ends.size(); ++from)
    for (const std::string& to : ends[from].second) {
      const auto found = index.find(to);
      if (found == index.end())
        return ends[from].first.error_at("to", ErrorCode::invalid_argument, "no node is called '" + to + "'");
      edges[from].insert(found->second);
      edges[found->second].insert(from);
    }
  graph.near = within(edges, hops);
  return graph;
}

class Graph : public Mechanism {
public:
  Graph(NodeGraph graph, std::optional<double> penalty) : graph_(std::move(graph)), penalty_(penalty) {}

  TileFunction open(const Text& text) const override {
    std::vector<std::int64_t> nodes;
    for (std::int64_t token = 0; token < text.keys(); ++token)
      nodes.push_back(graph_.node_of(token));
    const auto count = static_cast<std::int64_t>(graph_.near.size());
    at::Tensor near = at::empty({count, count}, at::kBool);
    bool* to = near.data_ptr<bool>(); // setting elements of a tensor one by one takes seconds for a thousand nodes
    for (const std::vector<bool>& row : graph_.near)
      to = std::copy(row.begin(), row.end(), to);
    const at::Tensor node = at::tensor(nodes, at::kLong).to(text.q.device());
    return [&text, this, node, near = near.to(text.q.device())](Range queries) {
      Tile tile = scores_of_all(text, queries);
      const at::Tensor q = node.narrow(0, queries.begin, queries.count()), k = node.narrow(0, 0, queries.end);
      const at::Tensor linked = near.index_select(0, q.clamp_min(0)).index_select(1, k.clamp_min(0));
      const at::Tensor far = (q >= 0).unsqueeze(1).logical_and((k >= 0).unsqueeze(0)).logical_and(linked.logical_not());
      tile.scores = penalty_ ? tile.scores + far * *penalty_ : tile.scores.masked_fill(far, not_visited);
      return tile;
    };
  }

  // Where far keys are hidden, or penalised so much that no float of their weight is left beside a query's own key: a
  // group of queries for each node.
  OutputFunction open_output(const Text& text) const override {
    if (penalty_ && *penalty_ > -3000.0) return nullptr;
    return [&text, this](Range queries) {
      std::vector<std::int64_t> node;
      for (std::int64_t token = 0; token < queries.end; ++token)
        node.push_back(graph_.node_of(token));
      std::map<std::int64_t, QueryGroup> of_node;
      for (std::int64_t i = queries.begin; i < queries.end; ++i) {
        QueryGroup& group = of_node[node[static_cast<std::size_t>(i)]];
        if (group.queries.empty()) group.runs = runs_of(node[static_cast<std::size_t>(i)], node);
        group.queries.push_back(static_cast<std::int32_t>(i - queries.begin));
      }
      std::vector<QueryGroup> groups;
      for (auto& [which, group] : of_node)
        groups.push_back(std::move(group));
      return sparse_output(text, sparse_input(text, queries), visited_by_groups({groups}, text.q.device()));
    };
  }

  Rows reference(const PlainHead& head) const override {
    return softmax_of(head, [&](std::int64_t i, std::int64_t j) {
      const std::int64_t q = graph_.node_of(i), k = graph_.node_of(j);
      const bool is_far = q >= 0 && k >= 0 && !graph_.near[static_cast<std::size_t>(q)][static_cast<std::size_t>(k)];
      if (is_far && !penalty_) return not_visited;
      return head.score(i, j) + (is_far ? *penalty_ : 0.0);
    });
  }

private:
  bool far(std::int64_t a, std::int64_t b) const {
    return a >= 0 && b >= 0 && !graph_.near[static_cast<std::size_t>(a)][static_cast<std::size_t>(b)];
  }

  // What tokens of a node see; `node`: of each token.
  std::vector<kernels::KeyRun> runs_of(std::int64_t own, const std::vector<std::int64_t>& node) const {
    std::vector<kernels::KeyRun> runs;
    for (std::int32_t key = 0; key < std::ssize(node); ++key) {
      if (far(own, node[static_cast<std::size_t>(key)])) continue;
      if (!runs.empty() && runs.back().end == key)
        ++runs.back().end;
      else
        runs.push_back({key, key + 1});
    }
    return runs;
  }

  NodeGraph graph_;
  std::optional<double> penalty_;
};

Result<std::shared_ptr<const Mechanism>> make_graph(const OptionValues& values) {
  HS_ASSIGN(NodeGraph graph, read_graph(values.text("file"), values.at("hops")));
  std::optional<double> penalty;
  if (values.at("far") == 0) penalty = values.number("penalty");
  return std::shared_ptr<const Mechanism>(std::make_shared<Graph>(std::move(graph), penalty));
}

} // namespace

extern const MechanismDefinition graph = {
    .info = {.id = "graph",
             .title = "graph masks",
             .what =
                 "tokens of a node see tokens of no node, of their own node and of nodes at most `hops` edges away, "
                 "edges taken both ways; tokens of no node see everything. far=penalised: scores of other nodes get "
                 "`penalty`; far=hidden: they are not visited",
             .cost = "O(T · keys seen); with a penalty above -3000 O(T²)",
             .reference = "LLM4Exploration, which adds -6000 and trains with windows of 1 to 4 hops",
             .equals_full = "hops at least the diameter of a connected graph",
             .training = "the original trains with intermediate windows",
             .options =
                 {{.name = "file", .value = "", .help = "a TOML file of [[nodes]]", .is_file = true},
                  {.name = "hops", .value = 1, .least = 0, .help = "edges that are followed"},
                  {.name = "far", .value = 0, .help = "what other nodes are", .choices = {"penalised", "hidden"}},
                  {.name = "penalty", .value = -6000.0, .least = -1e30, .most = 0.0, .help = "added to their scores"}}},
    .make = make_graph};

} // namespace headscope::mechanisms
