// SPDX-License-Identifier: GPL-3.0-or-later
// Heads that follow the edges of a graph that the text describes: share of the attention from a node's name to other
// nodes' names that lies on its neighbours, against graphs whose nodes have changed places.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <ATen/ATen.h>

#include "core/model/guard.h"
#include "core/prompts/graph_prompt.h"
#include "core/text/token_offsets.h"
#include "plugins/detectors/builtin.h"
#include "plugins/detectors/evidence.h"

namespace headscope {
namespace {

constexpr const char* summary = "How far the share of attention from a node's name to its neighbours' names, outside "
                                "of the statement it stands in, "
                                "lies above that under shuffled nodes, in standard deviations";
constexpr int most_hops = 3;

struct Piece {
  Graph judged; // by which neighbours are told
  std::vector<std::int64_t> tokens;
  struct Mention {
    std::int64_t token = 0;
    int node = 0, statement = 0;
  };
  std::vector<Mention> mentions; // at the last token of each name
};

// Mean weight from mentions of a node to earlier ones of another in other statements, [head][node][node]; 0 where
// there are none.
using NodeMass = std::vector<std::vector<std::vector<double>>>;

NodeMass node_mass(const Piece& piece, const at::Tensor& pattern) {
  const at::Tensor wide = pattern.to(at::kCPU, at::kDouble).contiguous(); // [head, query, key]
  const auto weights = wide.accessor<double, 3>();
  const auto n = static_cast<std::size_t>(piece.judged.nodes());
  std::vector<std::vector<double>> pairs(n, std::vector<double>(n, 0.0));
  NodeMass mass(static_cast<std::size_t>(wide.size(0)), pairs);
  for (const Piece::Mention& query : piece.mentions)
    for (const Piece::Mention& key : piece.mentions) {
      if (key.token >= query.token || key.statement == query.statement || key.node == query.node) continue;
      const auto u = static_cast<std::size_t>(query.node), v = static_cast<std::size_t>(key.node);
      pairs[u][v] += 1.0;
      for (std::size_t head = 0; head < mass.size(); ++head)
        mass[head][u][v] += weights[static_cast<std::int64_t>(head)][query.token][key.token];
    }
  for (auto& head : mass)
    for (std::size_t u = 0; u < n; ++u)
      for (std::size_t v = 0; v < n; ++v)
        if (pairs[u][v] > 0.0) head[u][v] /= pairs[u][v];
  return mass;
}

// The share of a head's mass on pairs that `counts` says, with the nodes at the places `at`.
template <typename Counts>
double share(const std::vector<std::vector<double>>& mass, const std::vector<std::size_t>& at, const Counts& counts) {
  double found = 0.0, all = 0.0;
  for (std::size_t u = 0; u < at.size(); ++u)
    for (std::size_t v = 0; v < at.size(); ++v) {
      all += mass[u][v];
      if (u != v && counts(at[u], at[v])) found += mass[u][v];
    }
  return all > 1e-9 ? found / all : std::numeric_limits<double>::quiet_NaN();
}

// Shares of all texts: as they are, by hops, and under shuffled nodes.
class Shares {
public:
  Shares(std::size_t cells, std::int64_t permutations, std::uint64_t seed)
      : cells_(cells), permutations_(static_cast<std::size_t>(permutations)), random_(seed), own_(cells),
        shuffled_(cells * permutations_, 0.0), by_hop_(cells * most_hops, 0.0), texts_(cells, 0) {}

  // Every text has the same shuffles for all heads.
  void begin_text(const Piece& piece) {
    away_ = hops(piece.judged);
    std::vector<std::size_t> order(away_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    orders_ = {order};
    for (std::size_t p = 0; p < permutations_; ++p) {
      random_.shuffle(order);
      orders_.push_back(order);
    }
  }

  void add(std::size_t cell, const std::vector<std::vector<double>>& mass) {
    const auto neighbours = [&](std::size_t a, std::size_t b) { return away_[a][b] == 1; };
    const double own = share(mass, orders_[0], neighbours);
    if (std::isnan(own)) return; // the head looks at no node
    ++texts_[cell];
    own_[cell] += own;
    for (std::size_t p = 0; p < permutations_; ++p)
      shuffled_[p * cells_ + cell] += share(mass, orders_[p + 1], neighbours);
    for (int hop = 1; hop <= most_hops; ++hop)
      by_hop_[static_cast<std::size_t>(hop - 1) * cells_ + cell] +=
          share(mass, orders_[0], [&](std::size_t a, std::size_t b) { return away_[a][b] == hop; });
  }

  std::vector<double> own() const { return mean(own_); }
  std::vector<double> at_hop(int hop) const {
    const auto begin = by_hop_.begin() + (hop - 1) * static_cast<std::ptrdiff_t>(cells_);
    return mean({begin, begin + static_cast<std::ptrdiff_t>(cells_)});
  }

  struct Tested {
    std::vector<double> expected, z, p; // p: that any head does so well under shuffled nodes
  };
  Tested test() const {
    Tested out;
    std::vector<double> spread(cells_);
    for (std::size_t cell = 0; cell < cells_; ++cell) {
      double sum = 0.0, square = 0.0;
      for (std::size_t p = 0; p < permutations_; ++p) {
        const double value = shuffled_[p * cells_ + cell] / texts(cell);
        sum += value;
        square += value * value;
      }
      const auto n = static_cast<double>(permutations_);
      out.expected.push_back(sum / n);
      spread[cell] = std::sqrt(std::max(0.0, square / n - sum / n * (sum / n)));
    }
    const auto z = [&](std::size_t cell, double share) {
      return spread[cell] > 1e-12 ? (share - out.expected[cell]) / spread[cell]
                                  : std::numeric_limits<double>::quiet_NaN();
    };
    std::vector<double> largest(permutations_, -std::numeric_limits<double>::infinity());
    for (std::size_t p = 0; p < permutations_; ++p)
      for (std::size_t cell = 0; cell < cells_; ++cell)
        largest[p] = std::fmax(largest[p], z(cell, shuffled_[p * cells_ + cell] / texts(cell)));
    for (std::size_t cell = 0; cell < cells_; ++cell) {
      out.z.push_back(z(cell, own_[cell] / texts(cell)));
      const auto as_large =
          std::count_if(largest.begin(), largest.end(), [&](double each) { return each >= out.z[cell]; });
      out.p.push_back(std::isnan(out.z[cell])
                          ? 1.0
                          : (1.0 + static_cast<double>(as_large)) / (1.0 + static_cast<double>(permutations_)));
    }
    return out;
  }

private:
  double texts(std::size_t cell) const { return static_cast<double>(std::max<std::int64_t>(texts_[cell], 1)); }
  std::vector<double> mean(std::vector<double> sums) const {
    for (std::size_t cell = 0; cell < cells_; ++cell)
      sums[cell] = texts_[cell] > 0 ? sums[cell] / texts(cell) : std::numeric_limits<double>::quiet_NaN();
    return sums;
  }

  std::size_t cells_, permutations_;
  Random random_;
  std::vector<std::vector<int>> away_;
  std::vector<std::vector<std::size_t>> orders_; // the first: as it is
  std::vector<double> own_, shuffled_, by_hop_;
  std::vector<std::int64_t> texts_; // that a head counts in
};

class GraphDetector : public Detector {
public:
  std::string id() const override { return "graph"; }
  std::string title() const override { return "Graph heads"; }
  std::string description() const override { return summary; }
  std::string reference() const override {
    return "Graphs as text: Guan et al. 2025, arXiv 2505.02130; the test against shuffled nodes is Headscope's";
  }

  std::vector<OptionSpec> options() const override {
    return {
        {"threshold", 3.0, "heads with at least this score are named", {}, 0.0},
        {"p", 0.05, "and whose p, corrected for the number of heads, is at most this", {}, 0.0},
        {"graphs", std::int64_t{24}, "number of texts", {}, 1},
        {"nodes", std::int64_t{8}, "nodes of a graph, at most 16", {}, 4},
        {"more_edges", std::int64_t{2}, "edges beyond those of a tree", {}, 0},
        {"form", std::string("edges"), "how a graph is written", {graph_forms.begin(), graph_forms.end()}},
        {"shuffles", std::int64_t{499}, "of the nodes, which the score is held against", {}, 19},
        {"unrelated", false, "judge by another graph than the text's, where no head should be found"},
        {"seed", std::int64_t{0}, "of the graphs and shuffles", {}, 0},
    };
  }

  Status check(const Engine& engine) const override {
    if (!engine.model().tokenizer)
      return make_error(ErrorCode::unsupported, "the model has no tokenizer to write graphs with", {}, id());
    return {};
  }

  Status check_options(const OptionSet& options) const override {
    if (options.integer("nodes") > std::ssize(node_names()))
      return make_error(ErrorCode::invalid_argument,
                        "must be at most " + std::to_string(node_names().size()) + ", the names there are", {},
                        "graph.nodes");
    return {};
  }

  Result<DetectorResult> run(const DetectorRun& run) const override {
    return guarded("finding graph heads", [&] { return measure(run); });
  }

private:
  static Result<Piece> draw(const DetectorRun& run, Random& random, GraphForm form) {
    const Tokenizer& tokenizer = *run.engine.model().tokenizer;
    const auto nodes = static_cast<int>(run.options.integer("nodes")),
               more = static_cast<int>(run.options.integer("more_edges"));
    const Graph graph = random_graph(random, nodes, more);
    const GraphText text = write_graph(graph, draw_writing(random, graph, form));
    Piece piece;
    piece.judged = run.options.flag("unrelated") ? random_graph(random, nodes, more) : graph;
    HS_ASSIGN(piece.tokens, tokenizer.encode(text.text, {true, false}));
    HS_TRY(run.engine.check_length(std::ssize(piece.tokens), "a graph of these nodes and edges", "graph.nodes"));
    HS_ASSIGN(const auto offsets, token_offsets(tokenizer, text.text, piece.tokens));
    for (const GraphText::Mention& each : text.mentions)
      piece.mentions.push_back({tokens_over(offsets, each.begin, each.end).end - 1, each.node, each.statement});
    return piece;
  }

  static Status add_text(const DetectorRun& run, const Piece& piece, Shares& shares) {
    const ModelConfig& config = run.engine.config();
    shares.begin_text(piece);
    std::vector<std::vector<at::Tensor>> tiles(static_cast<std::size_t>(config.n_layers));
    AttentionObserver observer;
    observer.tile = [&](const PatternTile& tile) {
      tiles[static_cast<std::size_t>(tile.layer)].push_back(tile.pattern[0].to(at::kCPU).clone());
    };
    RunRequest request;
    request.batch = TokenBatch::single(piece.tokens);
    request.until = LogitRows::none;
    request.observer = &observer;
    request.cancel = run.control.cancel;
    HS_TRY(run.engine.run(request));
    for (std::size_t layer = 0; layer < tiles.size(); ++layer) {
      const at::Tensor pattern = at::cat(tiles[layer], 1);
      if (pattern.min().item<double>() < -1e-6)
        return make_error(ErrorCode::unsupported,
                          "attention in layer " + std::to_string(layer) + " has negative weights, which have no shares",
                          {}, "attention");
      const NodeMass mass = node_mass(piece, pattern);
      for (std::size_t head = 0; head < mass.size(); ++head)
        shares.add(layer * mass.size() + head, mass[head]);
    }
    return {};
  }

  Result<DetectorResult> measure(const DetectorRun& run) const {
    HS_TRY(check_options(run.options));
    const auto& forms = graph_forms;
    const auto form = std::find(forms.begin(), forms.end(), run.options.text("form")) - forms.begin();
    const auto seed = static_cast<std::uint64_t>(run.options.integer("seed"));
    Random random(seed);
    DetectorResult result = empty_result(run.engine);
    Shares shares(result.scores.size(), run.options.integer("shuffles"), seed + 1);
    const std::int64_t count = run.options.integer("graphs");
    for (std::int64_t i = 0; i < count; ++i) {
      run.control.report("graph heads", i, count);
      HS_ASSIGN(const Piece piece, draw(run, random, static_cast<GraphForm>(form)));
      const Status added = add_text(run, piece, shares);
      if (!added.ok() && (added.error().code != ErrorCode::cancelled || i == 0)) return added.error();
      result.complete = added.ok();
      if (!added.ok()) break;
      result.prompts.push_back(prompt_evidence(run.engine, "graph-" + std::to_string(i), piece.tokens));
    }
    run.control.report("graph heads", std::ssize(result.prompts), count);
    summarise(run, shares, result);
    return result;
  }

  static void summarise(const DetectorRun& run, const Shares& shares, DetectorResult& result) {
    const Shares::Tested tested = shares.test();
    result.description = summary;
    result.units = "1";
    result.threshold = run.options.number("threshold");
    result.scores = as_floats(tested.z);
    result.maps = {
        {"share", "share of the attention between nodes' names on neighbours, mean over texts", "1",
         as_floats(shares.own())},
        {"expected", "the same under shuffled nodes", "1", as_floats(tested.expected)},
        {"p", "share of shuffles, the text as it is among them, in which any head has so large a score", "1",
         as_floats(tested.p)},
    };
    for (int hop = 2; hop <= most_hops; ++hop)
      result.maps.push_back(
          {"hop_" + std::to_string(hop), "share on nodes that many edges away", "1", as_floats(shares.at_hop(hop))});
    std::vector<std::int64_t> layers;
    std::vector<double> share, z;
    const std::vector<double> own = shares.own();
    for (std::int64_t layer = 0; layer < result.n_layers; ++layer) {
      layers.push_back(layer);
      share.push_back(layer_mean(own, layer, result.n_heads));
      z.push_back(layer_mean(tested.z, layer, result.n_heads));
    }
    store::Table table;
    table.columns = {{"layer", layers, "1", "layer"},
                     {"share", share, "1", "mean share on neighbours of its heads"},
                     {"score", z, "1", "mean score of its heads"}};
    result.tables.push_back({"by_layer", std::move(table)});
    name_heads_where(result,
                     {{"1 - p", 1.0 - run.options.number("p"), [&](std::size_t i) { return 1.0 - tested.p[i]; }}});
  }

  static double layer_mean(const std::vector<double>& values, std::int64_t layer, std::int64_t heads) {
    double sum = 0.0, count = 0.0;
    for (std::int64_t head = 0; head < heads; ++head)
      if (const double each = values[static_cast<std::size_t>(layer * heads + head)]; !std::isnan(each)) {
        sum += each;
        count += 1.0;
      }
    return sum / count; // NaN where no head was measured
  }
};

} // namespace

std::unique_ptr<Detector> make_graph_detector() { return std::make_unique<GraphDetector>(); }

} // namespace headscope
