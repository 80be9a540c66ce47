// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/paths/paths.h"

#include <algorithm>

#include "app/methods/base/values.h"
#include "app/methods/inputs/prompt_set.h"
#include "app/methods/inputs/tokens_per_run.h"
#include "app/methods/paths/paths_store.h"

namespace headscope::methods {
namespace {

nlohmann::json to_json(const PathEffects& found, const ComputationalGraph& graph) {
  nlohmann::json effects = nlohmann::json::object();
  for (std::size_t i = 0; i < found.senders.size(); ++i)
    effects[graph.sender_name(found.senders[i])] = number(found.mean(i));
  return {{"clean", number(mean_over(found.clean))}, {"effects", effects}, {"complete", found.complete}};
}

std::string strongest(const PathEffects& found, const ComputationalGraph& graph, const std::string& metric) {
  std::vector<double> effects;
  for (std::size_t i = 0; i < found.senders.size(); ++i)
    effects.push_back(found.mean(i));
  const std::vector<std::size_t> order = strongest_first(effects, Rank::by_size);
  const double clean = mean_over(found.clean);
  std::vector<std::vector<std::string>> lines = {{"sender", metric + " change", "%"}};
  for (std::size_t i = 0; i < std::min<std::size_t>(20, order.size()); ++i)
    lines.push_back({graph.sender_name(found.senders[order[i]]), value_text(effects[order[i]]),
                     clean == 0.0 ? "-" : fixed(100.0 * effects[order[i]] / clean, 2)});
  return metric + " of the clean run: " + value_text(clean) + "\n" + aligned(lines);
}

class Paths : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {.id = "paths",
                                    .summary = "What heads do to the metric through chosen inputs only (path patching)",
                                    .example = "headscope paths --model smollm2 --ioi 4 --receivers logits"};
    return info;
  }

  void inputs(OptionList& list) override { list_pair_set_options(list, options_.pairs); }
  const TaskOptions* task() const override { return &options_.pairs.task; }
  store::Attributes recorded_inputs() const override { return option_attributes(options_.pairs); }

  void options(OptionList& list) override {
    list.add("senders", options_.senders, "Nodes: 9.9, a9.h9, m5, input; default: all heads").by_comma();
    list.add("receivers", options_.receivers, "Inputs, patched together: logits, a10.h0<q>, m5").by_comma();
    list.add("direct", options_.direct, "Hold MLPs too: only the direct paths");
    list.add_choice("metric", options_.metric, "What is measured at the last token");
    list_graph_tokens_per_run(list, options_.tokens_per_run);
  }

  Status check_inputs() override { return check_pair_set(options_.pairs, true); }

  std::vector<std::int64_t> seeds() const override { return {static_cast<std::int64_t>(options_.pairs.task.seed)}; }

  Result<Report> run(const Work& work) override {
    const Model& model = work.engine.model();
    const MetricKind metric = options_.metric;
    const ComputationalGraph graph(graph_shape(model.config));
    HS_ASSIGN(const PathOptions paths, paths_of(options_, graph));
    HS_ASSIGN(const PairSet set,
              make_pair_set(work.engine, options_.pairs, {true, needs_answers(metric), needs_wrong(metric)}));
    note_dropped(set.dropped, work.context);
    HS_TRY(warn_unspaced(work.engine, set.clean_rows(), set.unspaced, work.context));
    HS_ASSIGN(const PathEffects found,
              patch_paths(work.engine, graph, task_of(options_, set.pairs), paths, work.context.control()));
    if (work.writer) {
      HS_TRY(store_pairs(*work.writer, model, set));
      HS_TRY(store_paths(*work.writer, "/paths",
                         {to_string(metric), units_of(metric), options_.receivers, !options_.direct}, found, graph));
    }
    return Report{to_json(found, graph), strongest(found, graph, to_string(metric)), found.complete};
  }

  std::unique_ptr<Cells> cells() override { return make_paths_cells(options_); }

private:
  PathsOptions options_;
};

} // namespace

Result<PathOptions> paths_of(const PathsOptions& options, const ComputationalGraph& graph) {
  PathOptions paths;
  paths.through_mlps = !options.direct;
  for (const std::string& name : options.senders) {
    const auto sender = graph.find_sender(name);
    if (!sender.ok()) return make_error(sender.error().code, name + " " + sender.error().message, {}, "--senders");
    paths.senders.push_back(*sender);
  }
  for (const std::string& name : options.receivers) {
    const auto receiver = graph.find_receiver(name);
    if (!receiver.ok())
      return make_error(receiver.error().code, name + " " + receiver.error().message, {}, "--receivers");
    paths.receivers.push_back(*receiver);
  }
  return paths;
}

CircuitTask task_of(const PathsOptions& options, std::vector<PatchPair> pairs) {
  CircuitTask task;
  task.pairs = std::move(pairs);
  task.metric = options.metric;
  task.tokens_per_run = options.tokens_per_run;
  return task;
}

std::unique_ptr<Method> make_paths() { return std::make_unique<Paths>(); }

} // namespace headscope::methods
