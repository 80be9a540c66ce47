// SPDX-License-Identifier: GPL-3.0-or-later
// Reads the parts of a result file that have a schema of their own: see docs/file-format.md.
#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "core/store/half.h"
#include "core/store/reader_state.h"

namespace headscope::store {

namespace {

using h5::H5Location;

// Moves the attribute out of the list, which is then left with what the writer's caller added.
template <typename T> Status extract(Attributes& attributes, const H5Location& place, const std::string& name, T& out) {
  const auto found = std::find_if(attributes.begin(), attributes.end(),
                                  [&](const Attribute& attribute) { return attribute.name == name; });
  const std::string field = place.path + "@" + name;
  if (found == attributes.end()) return make_error(ErrorCode::corrupt, "is missing", place.file, field);
  T* typed = std::get_if<T>(&found->value);
  if (typed == nullptr) return make_error(ErrorCode::corrupt, "has another type than it should", place.file, field);
  out = std::move(*typed);
  attributes.erase(found);
  return {};
}

Status check_rank(const std::vector<std::int64_t>& shape, std::size_t rank, const H5Location& place) {
  if (shape.size() == rank) return {};
  return make_error(ErrorCode::corrupt,
                    "has " + std::to_string(shape.size()) + " axes where " + std::to_string(rank) + " belong",
                    place.file, place.path);
}

Status check_length(std::size_t length, std::size_t expected, const H5Location& place) {
  if (length == expected) return {};
  return make_error(ErrorCode::corrupt,
                    "has " + std::to_string(length) + " elements where " + std::to_string(expected) + " belong",
                    place.file, place.path);
}

Status check_shape(const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& expected,
                   const H5Location& place) {
  HS_TRY(check_rank(shape, expected.size(), place));
  if (shape == expected) return {};
  return make_error(ErrorCode::corrupt, "has another shape than what it belongs to", place.file, place.path);
}

// Refuses maps without cells, and maps too large to be drawn.
Status check_cells(const std::vector<std::int64_t>& shape, const H5Location& place, std::int64_t most) {
  std::int64_t cells = 1;
  for (const std::int64_t size : shape) {
    if (size <= 0) return make_error(ErrorCode::corrupt, "has no cells", place.file, place.path);
    if (size > most / cells)
      return make_error(ErrorCode::corrupt, "has more than " + std::to_string(most) + " cells", place.file, place.path);
    cells *= size;
  }
  return {};
}
constexpr std::int64_t kMostHeads = std::int64_t{1} << 22;   // of a model
constexpr std::int64_t kMostPatches = std::int64_t{1} << 26; // layers, positions and heads
constexpr std::int64_t kMostWeights = std::int64_t{1} << 40; // of an attention map, which is read in tiles

Status check_head(const HeadId& head, std::int64_t n_layers, std::int64_t n_heads, const H5Location& place) {
  if (head.layer >= 0 && head.head >= 0 && head.layer < n_layers && head.head < n_heads) return {};
  return make_error(ErrorCode::corrupt, "names the head " + head_name(head) + ", which is not there", place.file,
                    place.path);
}

// Reads the index of a layer or head; -1: none.
Result<int> small_index(std::int64_t value, std::int64_t least, const H5Location& place) {
  if (value >= least && value <= std::numeric_limits<int>::max()) return static_cast<int>(value);
  return make_error(ErrorCode::corrupt, "holds " + std::to_string(value) + " where a layer or head belongs", place.file,
                    place.path);
}

// Reads a size of the model that the arrays belong to; none where it is not said, as in files about models of several
// sizes.
std::optional<std::int64_t> model_size(const Attributes& model, const std::string& name) {
  const AttributeValue* value = find_attribute(model, name);
  const auto* size = value == nullptr ? nullptr : std::get_if<std::int64_t>(value);
  return size == nullptr ? std::nullopt : std::optional(*size);
}

Result<Attributes> model_of(const ResultReader::Impl& impl) {
  HS_ASSIGN(const bool said, impl.has("/model"));
  if (!said) return Attributes();
  return impl.attributes("/model");
}

Status check_size(std::int64_t size, std::optional<std::int64_t> expected, const std::string& what,
                  const H5Location& place) {
  if (!expected || size == *expected) return {};
  return make_error(ErrorCode::corrupt,
                    "has " + std::to_string(size) + " " + what + "; its model has " + std::to_string(*expected),
                    place.file, place.path);
}

// Checks a map of all layers and heads against the model.
Status check_model(const ResultReader::Impl& impl, std::int64_t n_layers, std::int64_t n_heads,
                   const H5Location& place) {
  HS_ASSIGN(const Attributes model, model_of(impl));
  HS_TRY(check_size(n_layers, model_size(model, "n_layers"), "layers", place));
  return check_size(n_heads, model_size(model, "n_heads"), "heads", place);
}

// Checks an array that older files lack.
Status check_shape_of(const ResultReader::Impl& impl, const std::string& at,
                      const std::vector<std::int64_t>& expected) {
  HS_ASSIGN(const bool there, impl.has(at));
  if (!there) return {};
  HS_ASSIGN(const h5::Dataset found, impl.dataset(at));
  HS_ASSIGN(const std::vector<std::int64_t> shape, impl.shape(found, at));
  return check_shape(shape, expected, impl.place(at));
}

// Reads a head's label such as "18.6".
Result<HeadId> parse_head(const std::string& label, const H5Location& place) {
  if (const auto head = read_head_name(label)) return *head;
  return make_error(ErrorCode::corrupt, "holds '" + label + "' where LAYER.HEAD belongs", place.file, place.path);
}

} // namespace

Result<Prompt> ResultReader::prompt(const std::string& id) const {
  return guarded<Prompt>(*impl_, [&]() -> Result<Prompt> {
    const std::string folder = "/prompts/" + id;
    Prompt prompt{.id = id, .text = {}, .token_ids = {}, .token_pieces = {}, .token_texts = {}, .attributes = {}};
    std::vector<std::int64_t> shape;
    HS_ASSIGN(prompt.token_ids, impl_->numbers<std::int64_t>(folder + "/token_ids", shape));
    HS_TRY(check_rank(shape, 1, impl_->place(folder + "/token_ids")));
    HS_ASSIGN(const std::vector<std::string> text, impl_->strings(folder + "/text"));
    HS_TRY(check_length(text.size(), 1, impl_->place(folder + "/text")));
    prompt.text = text.front();
    HS_ASSIGN(const bool has_text_bytes, impl_->has(folder + "/text_bytes"));
    if (has_text_bytes) {
      HS_ASSIGN(const auto bytes, impl_->numbers<std::int64_t>(folder + "/text_bytes", shape));
      prompt.text.assign(bytes.begin(), bytes.end());
    }
    HS_ASSIGN(prompt.token_pieces, impl_->strings(folder + "/token_pieces"));
    HS_TRY(check_length(prompt.token_pieces.size(), prompt.token_ids.size(), impl_->place(folder + "/token_pieces")));
    HS_ASSIGN(const bool has_token_texts, impl_->has(folder + "/token_texts"));
    if (has_token_texts) {
      HS_ASSIGN(prompt.token_texts, impl_->strings(folder + "/token_texts"));
      HS_TRY(check_length(prompt.token_texts.size(), prompt.token_ids.size(), impl_->place(folder + "/token_texts")));
    }
    HS_ASSIGN(prompt.attributes, impl_->attributes(folder));
    return prompt;
  });
}

Result<DetectorScores> ResultReader::scores(const std::string& detector) const {
  return guarded<DetectorScores>(*impl_, [&]() -> Result<DetectorScores> {
    const std::string folder = "/detectors/" + detector;
    const H5Location place = impl_->place(folder + "/scores");
    DetectorScores scores;
    scores.name = detector;
    std::vector<std::int64_t> shape;
    HS_ASSIGN(scores.scores, impl_->numbers<float>(place.path, shape));
    HS_TRY(check_rank(shape, 2, place));
    HS_TRY(check_cells(shape, place, kMostHeads));
    scores.n_layers = shape[0];
    scores.n_heads = shape[1];
    HS_TRY(check_model(*impl_, scores.n_layers, scores.n_heads, place));
    HS_ASSIGN(Attributes attributes, impl_->attributes(place.path));
    HS_TRY(extract(attributes, place, "units", scores.units));
    HS_TRY(extract(attributes, place, "description", scores.description));
    HS_TRY(extract(attributes, place, "higher_is", scores.higher_is));
    if (find_attribute(attributes, "threshold") != nullptr) {
      double threshold = 0.0;
      HS_TRY(extract(attributes, place, "threshold", threshold));
      scores.threshold = threshold;
    }
    HS_ASSIGN(const std::vector<std::string> labels, impl_->strings(folder + "/heads"));
    for (const std::string& label : labels) {
      HS_ASSIGN(const HeadId head, parse_head(label, impl_->place(folder + "/heads")));
      HS_TRY(check_head(head, scores.n_layers, scores.n_heads, impl_->place(folder + "/heads")));
      scores.heads.push_back(head);
    }
    HS_ASSIGN(scores.attributes, impl_->attributes(folder));
    return scores;
  });
}

Result<Ablation> ResultReader::ablation(const std::string& name) const {
  return guarded<Ablation>(*impl_, [&]() -> Result<Ablation> {
    const H5Location place = impl_->place("/ablation/" + name);
    Ablation ablation;
    AblationSpec& spec = ablation.spec;
    spec.name = name;
    std::vector<std::int64_t> shape;
    HS_ASSIGN(ablation.effects, impl_->numbers<float>(place.path + "/effects", shape));
    HS_TRY(check_rank(shape, 3, impl_->place(place.path + "/effects")));
    spec.n_layers = shape[1];
    spec.n_heads = shape[2];
    HS_TRY(check_model(*impl_, spec.n_layers, spec.n_heads, impl_->place(place.path + "/effects")));
    HS_ASSIGN(spec.prompts, impl_->strings(place.path + "/prompt"));
    HS_TRY(check_length(spec.prompts.size(), static_cast<std::size_t>(shape[0]), impl_->place(place.path + "/prompt")));
    HS_ASSIGN(ablation.clean, impl_->numbers<float>(place.path + "/clean", shape));
    HS_TRY(check_shape(shape, {std::ssize(spec.prompts)}, impl_->place(place.path + "/clean")));
    HS_ASSIGN(ablation.mean, impl_->numbers<float>(place.path + "/mean", shape));
    HS_TRY(check_shape(shape, {spec.n_layers, spec.n_heads}, impl_->place(place.path + "/mean")));
    HS_TRY(check_cells(shape, impl_->place(place.path + "/mean"), kMostHeads));
    HS_TRY(check_shape_of(*impl_, place.path + "/count", shape));
    for (const char* each : {"/donors", "/replaced"})
      HS_TRY(check_shape_of(*impl_, place.path + each, {std::ssize(spec.prompts)}));
    HS_ASSIGN(spec.attributes, impl_->attributes(place.path));
    HS_TRY(extract(spec.attributes, place, "method", spec.method));
    HS_TRY(extract(spec.attributes, place, "phase", spec.phase));
    HS_TRY(extract(spec.attributes, place, "metric", spec.metric));
    HS_TRY(extract(spec.attributes, place, "units", spec.units));
    return ablation;
  });
}

namespace {

// Checks the axes: [layer, position], [layer, head] or [layer, position, head]. The tokens of a single pair are those
// of the positions.
Status check_patching(const PatchingSpec& spec, const H5Location& place) {
  using Axes = std::vector<std::string>;
  if (spec.axes != Axes{"layer", "position"} && spec.axes != Axes{"layer", "head"} &&
      spec.axes != Axes{"layer", "position", "head"})
    return make_error(ErrorCode::corrupt, "has other axes than patching has", place.file, place.path + "/restored");
  HS_TRY(check_cells(spec.shape, {place.file, place.path + "/restored"}, kMostPatches));
  const AttributeValue* pairs = find_attribute(spec.attributes, "pairs");
  if (spec.axes[1] != "position" || pairs == nullptr || *pairs != AttributeValue(std::int64_t{1})) return {};
  const auto positions = static_cast<std::size_t>(spec.shape[1]);
  HS_TRY(check_length(spec.clean_tokens.size(), positions, {place.file, place.path + "/clean_tokens"}));
  return check_length(spec.corrupt_tokens.size(), positions, {place.file, place.path + "/corrupt_tokens"});
}

// Checks that layers and heads are the model's; at k and v the heads are its K/V heads.
Status check_patched_model(const ResultReader::Impl& impl, const PatchingSpec& spec, const H5Location& restored) {
  HS_ASSIGN(const Attributes model, model_of(impl));
  HS_TRY(check_size(spec.shape[0], model_size(model, "n_layers"), "layers", restored));
  const auto kv_heads = model_size(model, "n_kv_heads");
  if (spec.axes.back() != "head" || !kv_heads || spec.shape.back() == *kv_heads) return {};
  return check_size(spec.shape.back(), model_size(model, "n_heads"), "heads", restored);
}

// Checks what `restored` is made of: as many pairs as the group says, each of its shape.
Status check_pairs(const ResultReader::Impl& impl, const PatchingSpec& spec, const H5Location& place) {
  const AttributeValue* value = find_attribute(spec.attributes, "pairs");
  const auto* pairs = value == nullptr ? nullptr : std::get_if<std::int64_t>(value);
  if (pairs == nullptr) return {};
  for (const char* each : {"/pair_clean", "/pair_corrupt"})
    HS_TRY(check_shape_of(impl, place.path + each, {*pairs}));
  std::vector<std::int64_t> patched = {*pairs};
  patched.insert(patched.end(), spec.shape.begin(), spec.shape.end());
  return check_shape_of(impl, place.path + "/pair_patched", patched);
}

} // namespace

Result<Patching> ResultReader::patching(const std::string& name) const {
  return guarded<Patching>(*impl_, [&]() -> Result<Patching> {
    const H5Location place = impl_->place("/patching/" + name);
    const std::string array = place.path + "/restored";
    Patching patching;
    PatchingSpec& spec = patching.spec;
    spec.name = name;
    HS_ASSIGN(const bool there, impl_->has(place.path));
    HS_ASSIGN(const bool measured, impl_->has(array));
    if (there && !measured) return make_error(ErrorCode::corrupt, "is missing", place.file, array);
    HS_ASSIGN(patching.restored, impl_->numbers<float>(array, spec.shape));
    HS_ASSIGN(const h5::Dataset found, impl_->dataset(array));
    HS_ASSIGN(spec.axes, h5::axis_names(found.get(), spec.shape.size(), impl_->place(array)));
    HS_ASSIGN(spec.clean_tokens, impl_->strings(place.path + "/clean_tokens"));
    HS_ASSIGN(spec.corrupt_tokens, impl_->strings(place.path + "/corrupt_tokens"));
    HS_ASSIGN(spec.attributes, impl_->attributes(place.path));
    HS_TRY(extract(spec.attributes, place, "site", spec.site));
    HS_TRY(extract(spec.attributes, place, "metric", spec.metric));
    HS_TRY(extract(spec.attributes, place, "units", spec.units));
    HS_TRY(extract(spec.attributes, place, "clean", spec.clean));
    HS_TRY(extract(spec.attributes, place, "corrupt", spec.corrupt));
    HS_TRY(check_patching(spec, place));
    HS_TRY(check_patched_model(*impl_, spec, impl_->place(array)));
    HS_TRY(check_pairs(*impl_, spec, place));
    return patching;
  });
}

namespace {

// Checks that the keys of a map are the prompt's tokens, and its queries the last of them.
Status check_tokens(const ResultReader::Impl& impl, const AttentionSpec& spec, const H5Location& place) {
  const std::string ids = "/prompts/" + spec.prompt + "/token_ids";
  HS_ASSIGN(const bool known, impl.has(ids));
  std::int64_t tokens = spec.n_key;
  if (known) {
    HS_ASSIGN(const h5::Dataset found, impl.dataset(ids));
    HS_ASSIGN(const std::vector<std::int64_t> shape, impl.shape(found, ids));
    HS_TRY(check_rank(shape, 1, impl.place(ids)));
    tokens = shape[0];
  }
  if (tokens == spec.n_key && spec.n_query <= spec.n_key) return {};
  return make_error(ErrorCode::corrupt,
                    "has " + std::to_string(spec.n_query) + " queries and " + std::to_string(spec.n_key) +
                        " keys; its prompt has " + std::to_string(tokens) + " tokens",
                    place.file, place.path);
}

} // namespace

Result<AttentionSpec> ResultReader::attention(const std::string& prompt) const {
  return guarded<AttentionSpec>(*impl_, [&]() -> Result<AttentionSpec> {
    const std::string folder = "/attention/" + prompt;
    const H5Location place = impl_->place(folder + "/pattern");
    AttentionSpec spec;
    spec.prompt = prompt;
    HS_ASSIGN(const h5::Dataset pattern, impl_->dataset(place.path));
    HS_ASSIGN(const std::vector<std::int64_t> shape, impl_->shape(pattern, place.path));
    HS_TRY(check_rank(shape, 3, place));
    HS_TRY(check_cells({shape[1], shape[2]}, place, kMostWeights));
    spec.n_query = shape[1];
    spec.n_key = shape[2];
    spec.dtype = h5::dtype_of(h5::Type(H5Dget_type(pattern.get())).get());
    std::vector<std::int64_t> pairs_shape;
    HS_ASSIGN(const auto pairs, impl_->numbers<std::int64_t>(folder + "/heads", pairs_shape));
    const H5Location heads = impl_->place(folder + "/heads");
    HS_TRY(check_shape(pairs_shape, {shape[0], 2}, heads));
    HS_ASSIGN(const Attributes model, model_of(*impl_));
    constexpr std::int64_t any = std::numeric_limits<std::int64_t>::max();
    const std::int64_t n_layers = model_size(model, "n_layers").value_or(any);
    const std::int64_t n_heads = model_size(model, "n_heads").value_or(any);
    for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
      HS_ASSIGN(const int layer, small_index(pairs[i], 0, heads));
      HS_ASSIGN(const int head, small_index(pairs[i + 1], 0, heads));
      HS_TRY(check_head({layer, head}, n_layers, n_heads, heads));
      spec.heads.push_back({layer, head});
    }
    HS_TRY(check_tokens(*impl_, spec, place));
    HS_ASSIGN(spec.attributes, impl_->attributes(folder));
    return spec;
  });
}

namespace {

Status read_tile(const h5::Dataset& pattern, const H5Location& place, const std::array<hsize_t, 3>& start,
                 const std::array<hsize_t, 3>& count, std::vector<float>& out) {
  const h5::Space space(H5Dget_space(pattern.get()));
  const h5::Space memory(H5Screate_simple(3, count.data(), nullptr));
  const bool half = h5::dtype_of(h5::Type(H5Dget_type(pattern.get())).get()) == DType::float16;
  const h5::Type half_type = h5::half_type();
  std::vector<std::uint16_t> bits(half ? out.size() : 0);
  void* target = half ? static_cast<void*>(bits.data()) : static_cast<void*>(out.data());
  if (H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr) < 0 ||
      H5Dread(pattern.get(), half ? half_type.get() : H5T_NATIVE_FLOAT, memory.get(), space.get(), H5P_DEFAULT,
              target) < 0) {
    return h5::failure(place, "read", ErrorCode::corrupt);
  }
  if (half) from_half(bits, out);
  return {};
}

} // namespace

Result<std::vector<float>> ResultReader::attention_tile(const std::string& prompt, std::int64_t head_index,
                                                        std::int64_t q_begin, std::int64_t q_end, std::int64_t k_begin,
                                                        std::int64_t k_end) const {
  return guarded<std::vector<float>>(*impl_, [&]() -> Result<std::vector<float>> {
    const H5Location place = impl_->place("/attention/" + prompt + "/pattern");
    HS_ASSIGN(const h5::Dataset pattern, impl_->dataset(place.path));
    HS_ASSIGN(const std::vector<std::int64_t> shape, impl_->shape(pattern, place.path));
    HS_TRY(check_rank(shape, 3, place));
    const bool inside = head_index >= 0 && head_index < shape[0] && q_begin >= 0 && q_begin <= q_end &&
                        q_end <= shape[1] && k_begin >= 0 && k_begin <= k_end && k_end <= shape[2];
    if (!inside) {
      return make_error(ErrorCode::invalid_argument,
                        "has " + std::to_string(shape[0]) + " heads, " + std::to_string(shape[1]) + " queries and " +
                            std::to_string(shape[2]) + " keys; the tile asked for is not inside",
                        place.file, place.path);
    }
    const std::array<hsize_t, 3> start = {static_cast<hsize_t>(head_index), static_cast<hsize_t>(q_begin),
                                          static_cast<hsize_t>(k_begin)};
    const std::array<hsize_t, 3> count = {1, static_cast<hsize_t>(q_end - q_begin),
                                          static_cast<hsize_t>(k_end - k_begin)};
    HS_TRY(h5::check_slab(pattern.get(), place, {{start.begin(), start.end()}, {count.begin(), count.end()}},
                          sizeof(float)));
    std::vector<float> tile(count[1] * count[2]);
    if (tile.empty()) return tile;
    HS_TRY(read_tile(pattern, place, start, count, tile));
    return tile;
  });
}

namespace {

// Reads the column of that name and type.
template <typename T>
Result<std::vector<T>> column(const Table& table, const H5Location& place, const std::string& name) {
  for (const Column& candidate : table.columns) {
    if (candidate.name != name) continue;
    if (const auto* values = std::get_if<std::vector<T>>(&candidate.values)) return *values;
  }
  return make_error(ErrorCode::corrupt, "is missing or has another type than it should", place.file,
                    place.path + "/" + name);
}

bool has_column(const Table& table, const std::string& name) {
  return std::any_of(table.columns.begin(), table.columns.end(), [&](const Column& c) { return c.name == name; });
}

// Reads a column that older files lack.
template <typename T>
Result<std::vector<T>> column_or(const Table& table, const H5Location& place, const std::string& name,
                                 std::size_t length, T missing) {
  if (!has_column(table, name)) return std::vector<T>(length, missing);
  HS_ASSIGN(std::vector<T> values, column<T>(table, place, name));
  HS_TRY(check_length(values.size(), length, place));
  return values;
}

Status read_nodes(const Table& table, const H5Location& place, Graph& graph) {
  HS_ASSIGN(const auto names, column<std::string>(table, place, "name"));
  HS_ASSIGN(const auto kinds, column<std::string>(table, place, "kind"));
  HS_ASSIGN(const auto layers, column<std::int64_t>(table, place, "layer"));
  HS_ASSIGN(const auto heads, column<std::int64_t>(table, place, "head"));
  for (const std::size_t length : {kinds.size(), layers.size(), heads.size()}) {
    HS_TRY(check_length(length, names.size(), place));
  }
  HS_ASSIGN(const auto scores,
            column_or<double>(table, place, "score", names.size(), std::numeric_limits<double>::quiet_NaN()));
  HS_ASSIGN(const auto members, column_or<std::int64_t>(table, place, "in_circuit", names.size(), 0));
  for (std::size_t i = 0; i < names.size(); ++i) {
    HS_ASSIGN(const int layer, small_index(layers[i], -1, place));
    HS_ASSIGN(const int head, small_index(heads[i], -1, place));
    graph.nodes.push_back({names[i], layer, head, kinds[i], scores[i], members[i] != 0});
  }
  return {};
}

Status read_edges(const Table& table, const H5Location& place, Graph& graph) {
  HS_ASSIGN(const auto sources, column<std::int64_t>(table, place, "src"));
  HS_ASSIGN(const auto targets, column<std::int64_t>(table, place, "dst"));
  HS_ASSIGN(const auto kinds, column<std::string>(table, place, "kind"));
  HS_ASSIGN(const auto scores, column<double>(table, place, "score"));
  for (const std::size_t length : {targets.size(), kinds.size(), scores.size()}) {
    HS_TRY(check_length(length, sources.size(), place));
  }
  HS_ASSIGN(const auto members, column_or<std::int64_t>(table, place, "in_circuit", sources.size(), 0));
  const auto n = static_cast<std::int64_t>(graph.nodes.size());
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (sources[i] < 0 || sources[i] >= n || targets[i] < 0 || targets[i] >= n) {
      return make_error(ErrorCode::corrupt, "has an edge to a node that is not there", place.file, place.path);
    }
    graph.edges.push_back({sources[i], targets[i], kinds[i], scores[i], members[i] != 0});
  }
  for (const Column& candidate : table.columns) {
    if (candidate.name == "score") graph.units = candidate.units;
  }
  return {};
}

} // namespace

Result<Graph> ResultReader::graph(const std::string& name) const {
  const H5Location place = impl_->place("/graph/" + name);
  Graph graph;
  graph.name = name;
  HS_ASSIGN(const Table nodes, table(place.path + "/nodes"));
  HS_ASSIGN(const Table edges, table(place.path + "/edges"));
  HS_TRY(read_nodes(nodes, {place.file, place.path + "/nodes"}, graph));
  HS_TRY(read_edges(edges, {place.file, place.path + "/edges"}, graph));
  HS_ASSIGN(graph.attributes, attributes(place.path));
  HS_TRY(extract(graph.attributes, place, "metric", graph.metric));
  HS_TRY(extract(graph.attributes, place, "task", graph.task));
  return graph;
}

} // namespace headscope::store
