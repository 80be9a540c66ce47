// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/result_figures/result_figures.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "app/result_figures/graph_figure.h"
#include "app/result_figures/masking_curve.h"
#include "app/result_figures/patching_figure.h"

namespace headscope {
namespace {

using figures::HeatmapFigure;

std::string model_name(const store::ResultReader& reader) {
  const auto model = reader.model();
  return model.ok() ? store::text_attribute(*model, "name") : std::string();
}

std::string joined(std::initializer_list<std::string> parts) {
  std::string text;
  for (const std::string& part : parts)
    if (!part.empty()) text += (text.empty() ? "" : ", ") + part;
  return text;
}

void by_head(HeatmapFigure& map, std::int64_t n_layers, std::int64_t n_heads) {
  map.rows = n_layers;
  map.cols = n_heads;
  map.x_axis = "head";
  map.y_axis = "layer";
}

// What the framed heads fulfil beside the threshold, and how many do not.
std::string conditions_text(const store::Attributes& attributes) {
  const auto texts = [&](const char* name) {
    const auto* value = store::find_attribute(attributes, name);
    const auto* list = value ? std::get_if<std::vector<std::string>>(value) : nullptr;
    return list ? *list : std::vector<std::string>{};
  };
  std::string text;
  for (const std::string& condition : texts("conditions"))
    text += (text.empty() ? "and with " : " and ") + condition;
  const std::size_t unnamed = texts("unnamed").size();
  if (text.empty() || unnamed == 0) return text;
  return text + "; " + std::to_string(unnamed) + (unnamed == 1 ? " other head scores" : " other heads score") +
         " as high without that";
}

Result<ResultFigure> scores_figure(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const store::DetectorScores scores, reader.scores(item.group));
  ResultFigure out{item.name, {}, {}, {}, {}, {}, {}};
  const std::string title = store::text_attribute(scores.attributes, "title");
  out.map.title = title.empty() ? item.group : title;
  out.map.subtitle = joined({model_name(reader), scores.description, frames_text(scores.heads.size(), scores.threshold),
                             conditions_text(scores.attributes)});
  by_head(out.map, scores.n_layers, scores.n_heads);
  out.map.values = scores.scores;
  out.map.scale.label = item.group + " score";
  out.map.scale.units = scores.units == "1" ? "" : scores.units;
  out.map.scale.low = 0.0;
  out.map.square_cells = false;
  for (std::size_t i = 0; i < std::min(scores.heads.size(), most_framed); ++i)
    out.map.marks.push_back({scores.heads[i].layer, scores.heads[i].head, ""});
  out.map.annotate_values = true;
  return out;
}

// How many prompts the cells of an ablation are means over: an interrupted run has fewer in some.
Result<std::string> prompts_text(const store::ResultReader& reader, const store::AblationSpec& spec) {
  HS_ASSIGN(const store::Array counts, reader.array("/ablation/" + spec.name + "/count"));
  std::int64_t least = 0, most = 0;
  for (const double count : counts.values) {
    if (count < 1) continue;
    const auto prompts = static_cast<std::int64_t>(count);
    least = least == 0 ? prompts : std::min(least, prompts);
    most = std::max(most, prompts);
  }
  const std::string all = std::to_string(spec.prompts.size()) + (spec.prompts.size() == 1 ? " prompt" : " prompts");
  const auto wanted = static_cast<std::int64_t>(spec.prompts.size());
  std::string text = "mean over ";
  if (least < wanted) text += (least < most ? std::to_string(least) + " to " : "") + std::to_string(most) + " of ";
  text += all;
  return reader.info().complete ? text : text + ", interrupted";
}

Result<ResultFigure> ablation_figure(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const store::Ablation ablation, reader.ablation(item.group));
  ResultFigure out{item.name, {}, {}, {}, {}, {}, {}};
  HS_ASSIGN(const std::string prompts, prompts_text(reader, ablation.spec));
  out.map.title = "Change of " + ablation.spec.metric + " with each head ablated (" + ablation.spec.method + ")";
  out.map.subtitle = joined({model_name(reader), prompts, "phase: " + ablation.spec.phase});
  by_head(out.map, ablation.spec.n_layers, ablation.spec.n_heads);
  out.map.values = ablation.mean;
  out.map.scale.kind = figures::ScaleKind::diverging;
  out.map.scale.label = "ablated minus clean";
  out.map.scale.units = ablation.spec.units;
  out.map.square_cells = false;
  out.map.annotate_values = true;
  return out;
}

Result<ResultFigure> patching_part(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const PatchingPart part, read_patching(reader, item.group));
  const store::Patching& patching = part.patching;
  const store::PatchingSpec& spec = patching.spec;
  const std::size_t axes = spec.shape.size();
  if (axes != 2 && axes != 3)
    return make_error(ErrorCode::corrupt, "has " + std::to_string(axes) + " axes where 2 or 3 belong", {}, item.name);
  if (patching.restored.empty()) return make_error(ErrorCode::corrupt, "has no cells", {}, item.name);
  ResultFigure out{item.name, {}, {}, {}, {}, {}, {}};
  const std::string subtitle = joined({model_name(reader), "0 = corrupt run, 1 = clean run",
                                       part.pairs() > 1 ? "mean over " + std::to_string(part.pairs()) + " pairs" : ""});
  out.map = patching_map(part, subtitle);
  out.panels = patching_panels(part, subtitle);
  out.table = patching_table(part);
  if (axes == 3) out.array = NumberArray{spec.shape, patching.restored};
  return out;
}

Result<ResultFigure> masking_part(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const MaskingCurve curve, read_masking(reader, item.group));
  return ResultFigure{item.name, {}, {}, masking_figure(curve, model_name(reader)), {}, masking_table(curve), {}};
}

Result<ResultFigure> circuit_part(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const store::Graph graph, reader.graph(item.group));
  const store::Graph members = members_of(graph);
  if (members.edges.empty())
    return make_error(ErrorCode::unsupported, "has no edge in its circuit, so there is nothing to draw", {}, item.name);
  ResultFigure out{item.name, {}, {}, {}, {}, {}, {}};
  out.graph = graph_figure(
      members, lay_out(members), 0.0,
      joined({model_name(reader), store::text_attribute(graph.attributes, "method"),
              std::to_string(members.edges.size()) + " of " + std::to_string(graph.edges.size()) + " edges"}));
  out.graph->label = "change of " + graph.metric + " when the edge is patched";
  out.table = graph_table(members, 0.0);
  return out;
}

Result<ResultFigure> attention_figure(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const store::AttentionSpec spec, reader.attention(item.group));
  HS_ASSIGN(const store::Prompt prompt, reader.prompt(spec.prompt));
  ResultFigure out{item.name, {}, {}, {}, {}, {}, {}};
  out.map.title = "Attention of head " + head_name(spec.heads[item.index]);
  out.map.subtitle = joined({model_name(reader), "weight of each key token for each query token"});
  out.map.rows = spec.n_query;
  out.map.cols = spec.n_key;
  HS_ASSIGN(out.map.values,
            reader.attention_tile(item.group, static_cast<std::int64_t>(item.index), 0, spec.n_query, 0, spec.n_key));
  out.map.x_axis = "key token";
  out.map.y_axis = "query token";
  out.map.x_ticks = prompt.token_texts.empty() ? prompt.token_pieces : prompt.token_texts;
  // The queries are the last tokens; attention() has seen to it that there are not more than keys.
  out.map.y_ticks.assign(out.map.x_ticks.end() - spec.n_query, out.map.x_ticks.end());
  out.map.causal_mask = spec.n_key >= spec.n_query;
  out.map.scale.label = "attention weight";
  out.map.scale.low = 0.0;
  return out;
}

} // namespace

std::string frames_text(std::size_t heads, std::optional<double> threshold) {
  if (heads == 0) return {};
  std::string text = "framed: ";
  if (heads > most_framed) text += "the " + std::to_string(most_framed) + " strongest of ";
  text += std::to_string(heads) + (heads == 1 ? " head" : " heads");
  if (!threshold) return text;
  char number[32];
  std::snprintf(number, sizeof number, "%.3g", *threshold);
  return text + " at or above " + number;
}

Result<std::vector<ResultPart>> parse_result_parts(const std::string& name) {
  using enum ResultPart;
  if (name == "all") return std::vector<ResultPart>{scores, ablation, patching, masking, circuit, attention};
  if (name == "attention") return std::vector<ResultPart>{attention};
  if (name == "scores") return std::vector<ResultPart>{scores};
  if (name == "ablation") return std::vector<ResultPart>{ablation};
  if (name == "patching") return std::vector<ResultPart>{patching};
  if (name == "masking") return std::vector<ResultPart>{masking};
  if (name == "circuit") return std::vector<ResultPart>{circuit};
  return make_error(ErrorCode::invalid_argument,
                    "must be attention, scores, ablation, patching, masking, circuit or all, not '" + name + "'", {},
                    "--what");
}

Result<std::vector<ResultItem>> list_items(const store::ResultReader& reader, const std::vector<ResultPart>& parts) {
  std::vector<ResultItem> items;
  const auto add_group = [&](ResultPart part, const std::string& group, const std::string& prefix) -> Status {
    HS_ASSIGN(const auto names, reader.list(group));
    for (const std::string& name : names)
      items.push_back({part, name, 0, prefix == name + "-" ? name : prefix + name});
    return {};
  };
  for (const ResultPart part : parts) {
    if (part == ResultPart::scores) HS_TRY(add_group(part, "/detectors", "scores-"));
    if (part == ResultPart::ablation) HS_TRY(add_group(part, "/ablation", "ablation-"));
    if (part == ResultPart::patching) HS_TRY(add_group(part, "/patching", "patching-"));
    if (part == ResultPart::masking) HS_TRY(add_group(part, "/masking", "masking-"));
    if (part == ResultPart::circuit) HS_TRY(add_group(part, "/graph", "circuit-"));
    if (part != ResultPart::attention) continue;
    HS_ASSIGN(const auto prompts, reader.list("/attention"));
    for (const std::string& prompt : prompts) {
      HS_ASSIGN(const store::AttentionSpec spec, reader.attention(prompt));
      const std::string prefix = prompts.size() > 1 ? "attention-" + prompt + "-" : "attention-";
      for (std::size_t i = 0; i < spec.heads.size(); ++i)
        items.push_back({part, prompt, i, prefix + head_name(spec.heads[i])});
    }
  }
  return items;
}

Result<ResultFigure> figure_of(const store::ResultReader& reader, const ResultItem& item) {
  switch (item.part) {
  case ResultPart::scores: return scores_figure(reader, item);
  case ResultPart::ablation: return ablation_figure(reader, item);
  case ResultPart::patching: return patching_part(reader, item);
  case ResultPart::masking: return masking_part(reader, item);
  case ResultPart::circuit: return circuit_part(reader, item);
  case ResultPart::attention: return attention_figure(reader, item);
  }
  return make_error(ErrorCode::internal, "is of no known part", {}, item.name);
}

figures::Provenance provenance_of(const store::ResultReader& reader, const std::string& file, const ResultItem& item) {
  figures::Provenance provenance;
  if (const auto model = reader.model(); model.ok()) {
    provenance.add("model", store::text_attribute(*model, "name"));
    provenance.add("model_sha256", store::text_attribute(*model, "sha256"));
    provenance.add("dtype", store::text_attribute(*model, "dtype"));
    provenance.add("device", store::text_attribute(*model, "device"));
  }
  const store::FileInfo& info = reader.info();
  provenance.add("item", item.name);
  provenance.add("result_file", std::filesystem::path(file).filename().string());
  provenance.add("created", info.created);
  provenance.add("complete", info.complete ? "true" : "false");
  provenance.add("command", info.provenance.command_line);
  provenance.add("headscope_version", info.provenance.headscope_version);
  provenance.add("libtorch_version", info.provenance.libtorch_version);
  return provenance;
}

} // namespace headscope
