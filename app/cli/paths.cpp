// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "app/cli/ablate_run.h"
#include "app/cli/command.h"
#include "app/cli/model_options.h"
#include "app/cli/pair_set.h"
#include "app/cli/progress.h"
#include "app/cli/result_groups.h"
#include "app/cli/result_output.h"
#include "app/cli/values.h"
#include "core/circuits/path_patching.h"

namespace headscope::cli {
namespace {

struct Options {
  ModelOptions model;
  PairSetOptions pairs;
  OutputOptions output;
  std::vector<std::string> senders, receivers = {"logits"};
  std::string metric = "logit_diff";
  bool direct = false;
};

Result<PathOptions> path_options(const Options& options, const ComputationalGraph& graph) {
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

double mean_of(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double value : values)
    sum += value / static_cast<double>(values.size());
  return sum;
}

nlohmann::json to_json(const PathEffects& found, const ComputationalGraph& graph) {
  nlohmann::json effects = nlohmann::json::object();
  for (std::size_t i = 0; i < found.senders.size(); ++i)
    effects[graph.sender_name(found.senders[i])] = number(found.mean(i));
  return {{"clean", number(mean_of(found.clean))}, {"effects", effects}, {"complete", found.complete}};
}

void print_text(const PathEffects& found, const ComputationalGraph& graph, const std::string& metric) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < found.senders.size(); ++i)
    if (std::isfinite(found.mean(i))) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return std::abs(found.mean(a)) > std::abs(found.mean(b)); });
  const double clean = mean_of(found.clean);
  std::vector<std::vector<std::string>> lines = {{"sender", metric + " change", "%"}};
  for (std::size_t i = 0; i < std::min<std::size_t>(20, order.size()); ++i)
    lines.push_back({graph.sender_name(found.senders[order[i]]), value_text(found.mean(order[i])),
                     clean == 0.0 ? "-" : fixed(100.0 * found.mean(order[i]) / clean, 2)});
  std::printf("%s of the clean run: %s\n%s", metric.c_str(), value_text(clean).c_str(), aligned(lines).c_str());
}

Status run(const Options& options, const Console& console) {
  HS_TRY(check_pair_set(options.pairs, true));
  CircuitTask task;
  HS_ASSIGN(task.metric, parse_metric(options.metric));
  HS_ASSIGN(auto writer, open_output(options.output, console, {static_cast<std::int64_t>(options.pairs.task.seed)}));
  HS_ASSIGN(const auto model, load(options.model, console, true));
  HS_ASSIGN(const Engine engine, open_engine(model, options.model));
  const ComputationalGraph graph(graph_shape(model->config));
  HS_ASSIGN(const PathOptions paths, path_options(options, graph));
  HS_ASSIGN(const PairSet pairs,
            make_pair_set(*model, options.pairs, {true, needs_answers(task.metric), needs_wrong(task.metric)}));
  note_dropped(pairs.dropped, console);
  task.pairs = pairs.pairs;
  HS_TRY(warn_unspaced(engine, pairs.clean_rows(), pairs.unspaced, console));
  HS_ASSIGN(const PathEffects found, patch_paths(engine, graph, task, paths, console.task()));
  finish_progress();
  if (writer) {
    HS_TRY(store_model(*writer, *model, options.model));
    store::Attributes used = option_attributes(options.pairs);
    used.insert(used.end(), {{"senders", options.senders},
                             {"receivers", options.receivers},
                             {"metric", options.metric},
                             {"direct", options.direct}});
    HS_TRY(writer->set_options("paths", used));
    HS_TRY(store_pairs(*writer, *model, pairs));
    HS_TRY(store_paths(*writer, "/paths", {options.metric, units_of(task.metric), options.receivers, !options.direct},
                       found, graph));
  }
  if (console.json)
    console.print(to_json(found, graph));
  else
    print_text(found, graph, options.metric);
  return finish_output(writer, options.output, console, found.complete);
}

} // namespace

void add_paths(CLI::App& app, Commands& commands) {
  CLI::App* command =
      add_command(app, commands, "paths", "What heads do to the metric through chosen inputs only (path patching)",
                  "headscope paths --model smollm2 --ioi 4 --receivers logits");
  auto options = std::make_shared<Options>();
  add_model_options(*command, options->model);
  add_pair_set_options(*command, options->pairs);
  command->add_option("--senders", options->senders, "Nodes: 9.9, a9.h9, m5, input; default: all heads")
      ->delimiter(',');
  command->add_option("--receivers", options->receivers, "Inputs, patched together: logits, a10.h0<q>, m5")
      ->delimiter(',')
      ->capture_default_str();
  command->add_flag("--direct", options->direct, "Hold MLPs too: only the direct paths");
  command->add_option("--metric", options->metric, metric_names())->capture_default_str();
  add_output_options(*command, options->output, false);
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
