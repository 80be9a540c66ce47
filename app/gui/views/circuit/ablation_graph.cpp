// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/circuit/ablation_graph.h"

#include <cmath>

namespace headscope::gui {

store::Graph ablation_graph(const HeadScores& scores) {
  store::Graph graph;
  graph.name = scores.id.substr(scores.id.find('/') + 1);
  graph.metric = scores.description.empty() ? scores.title : scores.description;
  graph.task = scores.title;
  graph.units = scores.units;
  graph.nodes.push_back({"input", -1, -1, "input"});
  graph.nodes.push_back({"logits", -1, -1, "output"});
  for (int layer = 0; layer < scores.n_layers; ++layer)
    for (int head = 0; head < scores.n_heads; ++head) {
      const HeadId at{layer, head};
      const double score = scores.at(at);
      if (!std::isfinite(score)) continue;
      const auto node = static_cast<std::int64_t>(graph.nodes.size());
      graph.nodes.push_back({head_name(at), layer, head, "head"});
      graph.edges.push_back({0, node, "input", score});
      graph.edges.push_back({node, 1, "output", score});
    }
  return graph;
}

} // namespace headscope::gui
