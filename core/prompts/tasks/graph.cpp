// SPDX-License-Identifier: GPL-3.0-or-later
// "Edges: Anna - Bob; Carl - Bob; Dora - Carl; ... On the way from Anna to Carl lies": Bob. A small random graph, as
// edges, lists of neighbours or sentences, and two nodes with one node between them. Corrupted: the same text with the
// names of that node and of another exchanged, so that the other one is right.
#include "core/prompts/graph_prompt.h"
#include "core/prompts/tasks/generator.h"

namespace headscope::tasks {
namespace {

constexpr int nodes = 6, more_edges = 1;

struct Question {
  std::size_t from = 0, between = 0, to = 0, other = 0; // `other` is none of the three
};

// The node between two that are two edges apart, where there is only one; else -1.
int only_between(const Graph& graph, std::size_t from, std::size_t to) {
  int found = -1;
  for (std::size_t node = 0; node < nodes; ++node)
    if (graph.edges[from][node] && graph.edges[node][to]) {
      if (found >= 0) return -1;
      found = static_cast<int>(node);
    }
  return found;
}

bool draw_question(Random& random, const Graph& graph, Question& out) {
  const auto away = hops(graph);
  std::vector<Question> all;
  for (std::size_t from = 0; from < nodes; ++from)
    for (std::size_t to = 0; to < nodes; ++to)
      if (const int node = only_between(graph, from, to); from != to && away[from][to] == 2 && node >= 0)
        all.push_back({from, static_cast<std::size_t>(node), to, 0});
  if (all.empty()) return false;
  out = random.pick(all);
  do
    out.other = random.below(nodes);
  while (out.other == out.from || out.other == out.between || out.other == out.to);
  return true;
}

std::string asked(const Graph& graph, const GraphWriting& writing, const Question& question) {
  return write_graph(graph, writing).text + "\nOn the way from " + writing.names[question.from] + " to " +
         writing.names[question.to] + " lies";
}

TaskExample example(Random& random, GraphForm form) {
  Graph graph;
  Question question;
  do
    graph = random_graph(random, nodes, more_edges);
  while (!draw_question(random, graph, question));
  GraphWriting writing = draw_writing(random, graph, form);
  TaskExample out;
  out.variant = graph_forms[static_cast<std::size_t>(form)];
  out.clean = asked(graph, writing, question);
  out.answer = {" " + writing.names[question.between]};
  std::swap(writing.names[question.between], writing.names[question.other]);
  out.corrupted = asked(graph, writing, question);
  out.wrong = {" " + writing.names[question.between]};
  return out;
}

Result<Draw> make(const Tokenizer&, const TaskRequest& request) {
  return Draw([variant = request.variant](Random& random) {
    auto form = static_cast<GraphForm>(random.below(graph_forms.size()));
    for (std::size_t i = 0; i < graph_forms.size(); ++i)
      if (variant == graph_forms[i]) form = static_cast<GraphForm>(i);
    return example(random, form);
  });
}

} // namespace

Generator graph() {
  return {{"graph",
           "the node on the way between two others of a graph",
           "graphs as text: Guan et al. 2505.02130",
           {"exchange"},
           {graph_forms.begin(), graph_forms.end()}},
          make};
}

} // namespace headscope::tasks
