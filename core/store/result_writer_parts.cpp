// SPDX-License-Identifier: GPL-3.0-or-later
// Writes the parts of a result file that have a schema of their own: see docs/file-format.md.
#include <algorithm>
#include <filesystem>

#include "core/store/column_values.h"
#include "core/store/result_writer.h"
#include "core/store/writer_state.h"

namespace headscope::store {

namespace {

using detail::check_name;

Axis numbered(const std::string& name) { return {name, {}}; }

ArraySpec layer_head(std::int64_t n_layers, std::int64_t n_heads, const std::string& units,
                     const std::string& long_name) {
  return {.dtype = DType::float32,
          .axes = {numbered("layer"), numbered("head")},
          .shape = {n_layers, n_heads},
          .units = units,
          .long_name = long_name,
          .attributes = {},
          .chunk = {}};
}

std::vector<std::string> labels_of(const std::vector<HeadId>& heads) {
  std::vector<std::string> labels;
  for (const HeadId& head : heads)
    labels.push_back(head_name(head));
  return labels;
}

std::vector<std::string> token_texts(const std::vector<std::string>& tokens) {
  std::vector<std::string> texts;
  for (const std::string& token : tokens)
    texts.push_back(h5::to_token_text(token));
  return texts;
}

void append(Attributes& to, const Attributes& from) { to.insert(to.end(), from.begin(), from.end()); }

} // namespace

Status ResultWriter::set_model(const Attributes& attributes, const std::string& name) {
  if (!name.empty()) HS_TRY(check_name(name, state_->partial.final_path(), "/models"));
  Attributes kept = attributes;
  for (Attribute& attribute : kept) {
    auto* path = std::get_if<std::string>(&attribute.value);
    if (attribute.name != "path" || path == nullptr) continue;
    std::filesystem::path full(*path); // only the last part is stored, for privacy
    *path = (full.has_filename() ? full : full.parent_path()).filename().string();
  }
  return set_attributes(name.empty() ? "/model" : "/models/" + name, kept);
}

Status ResultWriter::set_options(const std::string& step, const Attributes& options) {
  HS_TRY(check_name(step, state_->partial.final_path(), "/options"));
  return set_attributes("/options/" + step, options);
}

Status ResultWriter::add_prompt(const Prompt& prompt) {
  const h5::Lock lock;
  HS_TRY(state_->ready());
  const std::string file = state_->partial.final_path();
  HS_TRY(check_name(prompt.id, file, "/prompts"));
  const std::string folder = "/prompts/" + prompt.id;
  const std::size_t n = prompt.token_ids.size();
  if (prompt.token_pieces.size() != n || (!prompt.token_texts.empty() && prompt.token_texts.size() != n)) {
    return make_error(ErrorCode::invalid_argument, "has as many token ids as pieces and texts, or no texts", file,
                      folder);
  }
  HS_TRY(state_->check_new(folder));
  HS_TRY(set_attributes(folder, prompt.attributes));
  HS_TRY(state_->create_strings(folder + "/text", {prompt.text}, true, "text", "the prompt"));
  ArraySpec spec{.dtype = DType::int64,
                 .axes = {numbered("position")},
                 .shape = {static_cast<std::int64_t>(n)},
                 .units = "token id",
                 .long_name = "ids of the prompt's tokens",
                 .attributes = {},
                 .chunk = {}};
  HS_TRY(add_array(folder + "/token_ids", spec, std::span(prompt.token_ids)));
  HS_TRY(add_strings(folder + "/token_pieces", spec.axes[0], prompt.token_pieces, "the tokens as in the vocabulary"));
  if (!prompt.token_texts.empty()) {
    HS_TRY(add_strings(folder + "/token_texts", spec.axes[0], token_texts(prompt.token_texts), "the tokens decoded"));
  }
  if (h5::to_text(prompt.text) == prompt.text) return {};
  // Tokens that are not valid text are also stored as bytes.
  const std::vector<std::int64_t> bytes = [&] {
    std::vector<std::int64_t> values;
    for (const char c : prompt.text)
      values.push_back(static_cast<unsigned char>(c));
    return values;
  }();
  spec = {.dtype = DType::uint8,
          .axes = {numbered("byte")},
          .shape = {static_cast<std::int64_t>(bytes.size())},
          .units = "byte",
          .long_name = "the prompt's bytes, which are not all text",
          .attributes = {},
          .chunk = {}};
  return add_array(folder + "/text_bytes", spec, std::span(bytes));
}

Status ResultWriter::add_scores(const DetectorScores& scores) {
  const h5::Lock lock;
  HS_TRY(state_->ready());
  HS_TRY(check_name(scores.name, state_->partial.final_path(), "/detectors"));
  const std::string folder = "/detectors/" + scores.name;
  ArraySpec spec = layer_head(scores.n_layers, scores.n_heads, scores.units, scores.name + " score of every head");
  spec.attributes = {{"description", scores.description}, {"higher_is", scores.higher_is}};
  if (scores.threshold) spec.attributes.push_back({"threshold", *scores.threshold});
  HS_TRY(state_->check_new(folder + "/scores"));
  HS_TRY(set_attributes(folder, scores.attributes));
  HS_TRY(add_array(folder + "/scores", spec, std::span(scores.scores)));
  return add_strings(folder + "/heads", numbered("rank"), labels_of(scores.heads),
                     "heads above the threshold as LAYER.HEAD, strongest first");
}

Result<AblationWriter> ResultWriter::begin_ablation(const AblationSpec& spec) {
  const h5::Lock lock;
  HS_TRY(state_->ready());
  HS_TRY(check_name(spec.name, state_->partial.final_path(), "/ablation"));
  const std::string folder = "/ablation/" + spec.name;
  const auto n = static_cast<std::int64_t>(spec.prompts.size());
  Attributes attributes = {
      {"method", spec.method}, {"phase", spec.phase}, {"metric", spec.metric}, {"units", spec.units}};
  append(attributes, spec.attributes);
  const Axis prompts{"prompt", spec.prompts};
  const ArraySpec effects{.dtype = DType::float32,
                          .axes = {prompts, numbered("layer"), numbered("head")},
                          .shape = {n, spec.n_layers, spec.n_heads},
                          .units = spec.units,
                          .long_name = "change of the " + spec.metric + " when the head is ablated",
                          .attributes = {},
                          .chunk = {}};
  const ArraySpec clean{.dtype = DType::float32,
                        .axes = {prompts},
                        .shape = {n},
                        .units = spec.units,
                        .long_name = spec.metric + " with nothing ablated",
                        .attributes = {},
                        .chunk = {}};
  AblationWriter writer;
  writer.n_heads_ = spec.n_heads;
  HS_ASSIGN(writer.effects_, create_array(folder + "/effects", effects));
  HS_TRY(set_attributes(folder, attributes));
  HS_ASSIGN(writer.clean_, create_array(folder + "/clean", clean));
  state_->ablations.push_back(spec);
  return writer;
}

Result<ArrayWriter> ResultWriter::begin_patching(const PatchingSpec& spec) {
  const h5::Lock lock;
  HS_TRY(state_->ready());
  HS_TRY(check_name(spec.name, state_->partial.final_path(), "/patching"));
  const std::string folder = "/patching/" + spec.name;
  Attributes attributes = {{"site", spec.site},
                           {"metric", spec.metric},
                           {"units", spec.units},
                           {"clean", spec.clean},
                           {"corrupt", spec.corrupt}};
  append(attributes, spec.attributes);
  ArraySpec restored{.dtype = DType::float32,
                     .axes = {},
                     .shape = spec.shape,
                     .units = "1",
                     .long_name = "share of the " + spec.metric + " restored: 0 as the corrupt run, 1 as the clean one",
                     .attributes = {},
                     .chunk = {}};
  for (const std::string& axis : spec.axes)
    restored.axes.push_back(numbered(axis));
  HS_ASSIGN(ArrayWriter writer, create_array(folder + "/restored", restored));
  HS_TRY(set_attributes(folder, attributes));
  HS_TRY(add_strings(folder + "/clean_tokens", numbered("position"), token_texts(spec.clean_tokens),
                     "tokens of the clean prompt"));
  HS_TRY(add_strings(folder + "/corrupt_tokens", numbered("position"), token_texts(spec.corrupt_tokens),
                     "tokens of the corrupt prompt"));
  return writer;
}

Status ResultWriter::add_patching(const Patching& patching) {
  HS_ASSIGN(ArrayWriter writer, begin_patching(patching.spec));
  const std::vector<std::int64_t> origin(patching.spec.shape.size(), 0);
  return writer.write(origin, patching.spec.shape, std::span(patching.restored));
}

Result<AttentionWriter> ResultWriter::begin_attention(const AttentionSpec& spec) {
  const h5::Lock lock;
  HS_TRY(state_->ready());
  HS_TRY(check_name(spec.prompt, state_->partial.final_path(), "/attention"));
  const std::string folder = "/attention/" + spec.prompt;
  if (spec.dtype != DType::float16 && spec.dtype != DType::float32) {
    return make_error(ErrorCode::invalid_argument, "attention is stored as float16 or float32",
                      state_->partial.final_path(), folder);
  }
  constexpr std::int64_t kTile = 256;
  const auto n_heads = static_cast<std::int64_t>(spec.heads.size());
  const Axis heads{"head", labels_of(spec.heads)};
  const ArraySpec pattern{.dtype = spec.dtype,
                          .axes = {heads, numbered("query"), numbered("key")},
                          .shape = {n_heads, spec.n_query, spec.n_key},
                          .units = "1",
                          .long_name = "attention probability of each key for each query",
                          .attributes = {},
                          .chunk = {1, kTile, kTile}};
  // Rows may come a few at a time, so the strip of tiles that they fill stays in memory until it is full.
  const std::int64_t strip = (spec.n_key / kTile + 1) * kTile * kTile * (spec.dtype == DType::float16 ? 2 : 4);
  constexpr std::int64_t kMost = std::int64_t{128} << 20;
  const std::int64_t cache = std::max(strip, std::min(kMost, strip * std::max<std::int64_t>(n_heads, 1))) + (1 << 20);
  AttentionWriter writer;
  writer.n_key_ = spec.n_key;
  HS_ASSIGN(writer.pattern_.state_,
            state_->create_array(folder + "/pattern", pattern, static_cast<std::size_t>(cache)));
  HS_TRY(set_attributes(folder, spec.attributes));
  std::vector<std::int64_t> pairs;
  for (const HeadId& head : spec.heads)
    pairs.insert(pairs.end(), {head.layer, head.head});
  const ArraySpec indices{.dtype = DType::int32,
                          .axes = {heads, {"index", {"layer", "head"}}},
                          .shape = {n_heads, 2},
                          .units = "index",
                          .long_name = "layer and head of each map",
                          .attributes = {},
                          .chunk = {}};
  HS_TRY(add_array(folder + "/heads", indices, std::span<const std::int64_t>(pairs)));
  return writer;
}

Status ResultWriter::add_graph(const Graph& graph) {
  HS_TRY(check_name(graph.name, state_->partial.final_path(), "/graph"));
  const std::string folder = "/graph/" + graph.name;
  const auto n = static_cast<std::int64_t>(graph.nodes.size());
  for (const GraphEdge& edge : graph.edges) {
    if (edge.src < 0 || edge.src >= n || edge.dst < 0 || edge.dst >= n) {
      return make_error(ErrorCode::invalid_argument, "has an edge to a node that is not there",
                        state_->partial.final_path(), folder);
    }
  }
  const auto of_nodes = [&](auto of) { return column_values(graph.nodes, of); };
  const auto of_edges = [&](auto of) { return column_values(graph.edges, of); };
  const auto in_circuit = [](const auto& part) { return std::int64_t{part.in_circuit ? 1 : 0}; };
  Attributes attributes = {{"metric", graph.metric}, {"task", graph.task}};
  append(attributes, graph.attributes);
  HS_TRY(add_table(
      folder + "/nodes",
      {{{"name", of_nodes(&GraphNode::name), "text", "name of the node"},
        {"layer", of_nodes([](const GraphNode& node) { return std::int64_t{node.layer}; }), "index", "layer, -1: none"},
        {"head", of_nodes([](const GraphNode& node) { return std::int64_t{node.head}; }), "index", "head, -1: none"},
        {"kind", of_nodes(&GraphNode::kind), "text", "kind of the node"},
        {"score", of_nodes(&GraphNode::score), graph.units, "score of the node, NaN: none"},
        {"in_circuit", of_nodes(in_circuit), "1", "1: belongs to the circuit"}},
       {}}));
  HS_TRY(set_attributes(folder, attributes));
  return add_table(folder + "/edges",
                   {{{"src", of_edges(&GraphEdge::src), "index", "node that the edge leaves"},
                     {"dst", of_edges(&GraphEdge::dst), "index", "node that it enters"},
                     {"kind", of_edges(&GraphEdge::kind), "text", "input that it enters: q, k, v, ..."},
                     {"score", of_edges(&GraphEdge::score), graph.units, "score of the edge"},
                     {"in_circuit", of_edges(in_circuit), "1", "1: belongs to the circuit"}},
                    {}});
}

} // namespace headscope::store
