// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/ablate/ablate_joint.h"

#include <algorithm>
#include <span>

#include "app/methods/ablate/ablate.h"
#include "app/methods/base/values.h"
#include "core/store/column_values.h"
#include "core/sweeps/joint_ablation.h"

namespace headscope::methods {
namespace {

const char* const for_a_command = "an experiment ablates heads one at a time";

// What was asked for, and what was measured.
struct JointOutcome {
  AblationNodes nodes;
  bool others = false; // all but the nodes are ablated
  HeadAblationOptions how;
  JointAblationResult result; // of completeness: two sets a row
  std::vector<CompletenessRow> rows;
};

// Turns a field of the ablation's error into the option of the same name.
template <typename T> Result<T> at_option(Result<T> result) {
  if (result.ok()) return result;
  Error error = result.error();
  for (const char* name : {"nodes", "heads", "method", "phase", "reference"})
    if (error.field == name) error.field.insert(0, "--");
  if (error.field == "mean_by_position") error.field = "--mean-by-position";
  return error;
}

Result<AblationNodes> nodes_of(const AblateOptions& options, const ModelConfig& config) {
  if (!options.joint.nodes.empty()) return at_option(parse_nodes(options.joint.nodes, config));
  const auto heads = parse_heads(options.heads, config.n_layers, config.n_heads);
  if (!heads.ok()) return make_error(heads.error().code, heads.error().message, {}, "--heads");
  AblationNodes nodes;
  for (const HeadId& head : *heads)
    nodes.push_back({AblationNode::Kind::head, head.layer, head.head});
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

Result<JointOutcome> measure(const Engine& engine, const AblateOptions& options, const AblationTask& task,
                             JointOutcome found, const Context& context) {
  context.begin_step();
  if (options.joint.complete) {
    const auto subsets = completeness_subsets(found.nodes, options.joint.subsets, options.sweep.seed);
    HS_ASSIGN(Completeness complete, at_option(circuit_completeness(engine, task.prompts, found.nodes, subsets,
                                                                    found.how, context.control())));
    found.result = std::move(complete.measured);
    found.rows = std::move(complete.rows);
  } else {
    const AblationNodes set = found.others ? all_nodes_but(found.nodes, engine.config()) : found.nodes;
    HS_ASSIGN(found.result, at_option(ablate_together(engine, task.prompts, {set}, found.how, context.control())));
  }
  context.finish_progress();
  return found;
}

std::vector<std::string> names_of_nodes(const AblationNodes& nodes) {
  std::vector<std::string> names;
  for (const AblationNode& node : nodes)
    names.push_back(node_name(node));
  return names;
}

std::string joined(const AblationNodes& nodes) {
  std::string text;
  for (const AblationNode& node : nodes)
    text.append(text.empty() ? "" : ",").append(node_name(node));
  return text;
}

nlohmann::json prompts_json(const JointAblationResult& result, const AblationTask& task) {
  nlohmann::json out = nlohmann::json::array();
  for (std::size_t i = 0; i < task.ids.size(); ++i) {
    const double clean = result.clean[i], ablated = result.ablated[result.index(0, i)];
    out.push_back({{"id", task.ids[i]},
                   {"clean", number(clean)},
                   {"ablated", number(ablated)},
                   {"effect", number(ablated - clean)}});
  }
  return out;
}

nlohmann::json to_json(const JointOutcome& found, const AblationTask& task) {
  const JointAblationResult& result = found.result;
  const double clean = result.mean_clean(), ablated = result.mean_ablated(0);
  nlohmann::json out = {{"clean", number(clean)},
                        {"ablated", number(ablated)},
                        {"effect", number(ablated - clean)},
                        {"nodes", names_of_nodes(found.nodes)},
                        {"ablates", found.others ? "all_but_nodes" : "nodes"},
                        {"method", to_string(found.how.method)},
                        {"metric", to_string(found.how.metric)},
                        {"prompts", prompts_json(result, task)},
                        {"complete", result.complete}};
  if (!result.replaced.empty()) out["replaced"] = result.replaced;
  for (const CompletenessRow& row : found.rows)
    out["completeness"].push_back({{"left_out", names_of_nodes(row.left_out)},
                                   {"circuit_without", number(row.circuit_without)},
                                   {"model_without", number(row.model_without)},
                                   {"difference", number(row.difference())}});
  return out;
}

// Names a few nodes, or says how many there are.
std::string short_list(const AblationNodes& nodes) {
  if (nodes.empty()) return "nothing";
  return nodes.size() <= 8 ? joined(nodes) : std::to_string(nodes.size()).append(" nodes");
}

std::string text_of(const JointOutcome& found) {
  const JointAblationResult& result = found.result;
  const double clean = result.mean_clean(), ablated = result.mean_ablated(0);
  std::string what = found.others ? "all but " : "";
  what.append(short_list(found.nodes)).append(" (").append(to_string(found.how.method)).append(")");
  std::string text = aligned({{"ablated", to_string(found.how.metric), "change"},
                              {"nothing", value_text(clean), ""},
                              {what, value_text(ablated), value_text(ablated - clean)}});
  if (found.rows.empty()) return text;
  std::vector<std::vector<std::string>> lines = {
      {"left out (K)", "circuit without K", "model without K", "difference"}};
  for (const CompletenessRow& row : found.rows)
    lines.push_back({short_list(row.left_out), value_text(row.circuit_without), value_text(row.model_without),
                     value_text(row.difference())});
  return text.append("\n").append(aligned(lines));
}

// Selects sets first, first + step, ... as [set, prompt].
std::vector<double> every(const JointAblationResult& result, std::size_t sets, std::size_t first, std::size_t step) {
  std::vector<double> out;
  for (std::size_t set = first; set < sets; set += step)
    for (std::size_t prompt = 0; prompt < result.clean.size(); ++prompt)
      out.push_back(result.ablated[result.index(set, prompt)]);
  return out;
}

Status store_completeness(store::ResultWriter& writer, const std::string& folder, const AblationTask& task,
                          const JointOutcome& found) {
  using Row = CompletenessRow;
  const auto column = [&](auto of) { return store::column_values(found.rows, of); };
  const std::string units = units_of(found.how.metric);
  HS_TRY(writer.add_table(
      folder + "/completeness",
      {{{"left_out", column([](const Row& row) { return joined(row.left_out); }), "label",
         "K: the nodes that are left out; nothing in the first row"},
        {"circuit_without", column(&Row::circuit_without), units,
         "F(C \\ K): the metric with all but the rest of the circuit ablated"},
        {"model_without", column(&Row::model_without), units, "F(M \\ K): the metric with K ablated"},
        {"difference", column(&Row::difference), units, "|F(C \\ K) - F(M \\ K)|; 0 of a complete circuit"}},
       {}}));
  store::ArraySpec spec;
  spec.axes = {{"subset", {}}, {"prompt", task.ids}};
  spec.shape = {std::ssize(found.rows), found.result.n_prompts};
  spec.units = units;
  const std::size_t sets = 2 * found.rows.size();
  spec.long_name = "F(C \\ K) of each prompt";
  HS_TRY(writer.add_array(folder + "/circuit_without", spec, std::span<const double>(every(found.result, sets, 0, 2))));
  spec.long_name = "F(M \\ K) of each prompt";
  return writer.add_array(folder + "/model_without", spec, std::span<const double>(every(found.result, sets, 1, 2)));
}

Status store_joint(const Work& work, const AblationTask& task, const JointOutcome& found) {
  store::ResultWriter& writer = *work.writer;
  HS_TRY(store_prompts(writer, work.engine.model(), task, work.context));
  HS_TRY(store_reference(writer, work.engine, found.how));
  const std::string folder = task.folder + task.name;
  store::ArraySpec spec;
  spec.axes = {{"prompt", task.ids}};
  spec.shape = {found.result.n_prompts};
  spec.units = units_of(found.how.metric);
  const std::string metric = to_string(found.how.metric);
  spec.long_name = metric;
  spec.long_name.append(", nothing ablated");
  HS_TRY(writer.add_array(folder + "/clean", spec, std::span<const double>(found.result.clean)));
  spec.long_name = metric;
  spec.long_name.append(found.others ? ", all but the nodes ablated" : ", the nodes ablated");
  HS_TRY(writer.add_array(folder + "/ablated", spec, std::span<const double>(every(found.result, 1, 0, 1))));
  HS_TRY(writer.add_strings(folder + "/nodes", {"node", {}}, names_of_nodes(found.nodes),
                            found.others ? "what is kept: all other heads and MLPs are ablated" : "what is ablated"));
  HS_TRY(store_donors(writer, task, found.how, found.result.donors, found.result.replaced));
  if (!found.rows.empty()) HS_TRY(store_completeness(writer, folder, task, found));
  return writer.set_attributes(folder, {{"method", std::string(to_string(found.how.method))},
                                        {"phase", std::string(to_string(found.how.phase))},
                                        {"metric", metric},
                                        {"ablates", std::string(found.others ? "all_but_nodes" : "nodes")},
                                        {"seed", static_cast<std::int64_t>(found.how.seed)},
                                        {"mean_by_position", found.how.mean_by_position},
                                        {"reference_prompts", std::ssize(found.how.reference)}});
}

void warn_reference(const JointOutcome& found, const AblationTask& task, const Context& context) {
  HeadAblationResult as_heads;
  as_heads.replaced = found.result.replaced;
  const std::string note = reference_note(found.how, task.prompts, as_heads);
  if (!note.empty()) context.warn(std::string(to_string(found.how.method)).append(": ").append(note));
}

} // namespace

void list_joint_options(OptionList& list, JointOptions& options) {
  list.add("together", options.together, "Ablate them all at once: one number")
      .from("0.2")
      .only(Offered::command_line, for_a_command);
  list.add("keep_only", options.keep_only, "Ablate all heads and MLPs but these at once")
      .from("0.2")
      .excluding("together")
      .only(Offered::command_line, for_a_command);
  list.add("complete", options.complete,
           "The same, and how complete they are as a circuit: with parts of it left out, what it does without them "
           "against what the model does without them")
      .from("0.2")
      .excluding("together")
      .only(Offered::command_line, for_a_command);
  list.add("nodes", options.nodes,
           "Of these three, instead of heads: a18.h6 or 18.6 (head), m11 (MLP), m11.n345 (neuron), L5 (all heads and "
           "the MLP of a layer), with commas")
      .from("0.2")
      .excluding("heads")
      .only(Offered::command_line, for_a_command);
  list.add("subsets", options.subsets, "Random parts that complete leaves out, after each node alone")
      .from("0.2")
      .at_least(0)
      .only(Offered::command_line, for_a_command);
}

Status check_joint_options(const JointOptions& options) {
  const auto bad = [](const char* what, const char* flag) {
    return make_error(ErrorCode::invalid_argument, what, {}, flag);
  };
  if (!options.nodes.empty() && !options.given())
    return bad("goes with --together, --keep-only or --complete", "--nodes");
  if (options.together && options.keep_only) return bad("does not go with --together", "--keep-only");
  if (options.together && options.complete) return bad("does not go with --together", "--complete");
  return {};
}

Result<Report> run_joint_ablation(const AblateOptions& options, const Work& work) {
  const Model& model = work.engine.model();
  JointOutcome found;
  HS_ASSIGN(found.nodes, nodes_of(options, model.config));
  found.others = !options.joint.together;
  AblateOptions without_heads = options;
  without_heads.heads = "all";
  HS_ASSIGN(found.how, sweep_of(without_heads, work.engine));
  const MetricKind metric = found.how.metric;
  HS_ASSIGN(PromptSet set, make_prompt_set(work.engine, options.prompts, needs_answers(metric), needs_wrong(metric)));
  note_dropped(set.dropped, work.context);
  const AblationTask task{std::move(set), to_string(found.how.method), "/ablation_joint/"};
  HS_TRY(warn_unspaced(work.engine, task.rows(), task.unspaced, work.context));
  HS_ASSIGN(found, measure(work.engine, options, task, std::move(found), work.context));
  warn_reference(found, task, work.context);
  if (work.writer) HS_TRY(store_joint(work, task, found));
  return Report{to_json(found, task), text_of(found), found.result.complete};
}

} // namespace headscope::methods
