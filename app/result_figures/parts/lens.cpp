// SPDX-License-Identifier: GPL-3.0-or-later
// The logit lens: what would be predicted after each point of the residual stream, points by positions.
#include <cstdlib>
#include <map>

#include "app/result_figures/parts/common.h"

namespace headscope {
namespace {

using namespace parts;

const std::string group = "/logit_lens";
// Kinds of items by their paths: for the likeliest token, for a chosen one, and for the whole prediction.
const std::string top = group + "/top_probabilities", chosen = group + "/token_probabilities",
                  divergence = group + "/kl_divergence", entropy = group + "/entropy";

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  ResultItems items;
  if (!reader.exists(top)) return items;
  items = {{&self, top, 0, "lens"}, {&self, divergence, 0, "lens-kl_divergence"}, {&self, entropy, 0, "lens-entropy"}};
  if (!reader.exists(chosen)) return items;
  HS_ASSIGN(const store::Array probabilities, array_of(reader, chosen, 3));
  for (std::int64_t token = 0; token < probabilities.spec.shape[2]; ++token)
    items.push_back({&self, chosen, static_cast<std::size_t>(token), "lens-token-" + std::to_string(token)});
  return items;
}

// The texts of the tokens that the lens names, where the file has them.
Result<std::map<std::int64_t, std::string>> token_texts(const store::ResultReader& reader) {
  std::map<std::int64_t, std::string> texts;
  const std::string path = group + "/tokens";
  if (!reader.exists(path)) return texts;
  HS_ASSIGN(const store::Table table, reader.table(path));
  const std::vector<std::int64_t>* ids = nullptr;
  const std::vector<std::string>* names = nullptr;
  for (const store::Column& column : table.columns) {
    if (column.name == "id") ids = std::get_if<std::vector<std::int64_t>>(&column.values);
    if (column.name == "text") names = std::get_if<std::vector<std::string>>(&column.values);
  }
  if (ids == nullptr || names == nullptr || ids->size() != names->size())
    return make_error(ErrorCode::corrupt, "must have the columns id and text", {}, path);
  for (std::size_t i = 0; i < ids->size(); ++i)
    texts[(*ids)[i]] = (*names)[i];
  return texts;
}

// The tokens at the positions, or the positions' numbers where the prompt is not in the file.
std::vector<std::string> position_texts(const store::ResultReader& reader, const store::Array& array) {
  std::vector<std::string> texts = labels_of(array, 1);
  const auto prompt = reader.prompt("prompt");
  if (!prompt.ok()) return texts;
  const std::vector<std::string>& tokens = prompt->token_texts.empty() ? prompt->token_pieces : prompt->token_texts;
  for (std::string& text : texts) {
    const bool number = !text.empty() && text.size() < 9 && text.find_first_not_of("0123456789") == std::string::npos;
    const std::size_t at = number ? std::stoul(text) : tokens.size();
    if (at < tokens.size()) text = tokens[at];
  }
  return texts;
}

// Selects [place, position] of [place, position, rank or token].
std::vector<double> layer_of(const store::Array& array, std::int64_t at) {
  std::vector<double> values;
  const std::int64_t width = array.spec.shape[2];
  for (std::int64_t i = at; i < std::ssize(array.values); i += width)
    values.push_back(array.values[static_cast<std::size_t>(i)]);
  return values;
}

figures::HeatmapFigure map_of(const store::ResultReader& reader, const store::Array& array,
                              const std::vector<double>& values) {
  const std::int64_t rows = array.spec.shape[0], cols = array.spec.shape[1];
  figures::HeatmapFigure map = head_map(rows, cols, floats(values));
  map.y_axis = "place";
  map.x_axis = "position token";
  map.y_ticks = labels_of(array, 0);
  map.x_ticks = position_texts(reader, array);
  map.scale.units = shown_units(array.spec.units);
  map.scale.low = 0.0;
  return map;
}

using Texts = std::map<std::int64_t, std::string>;

std::vector<std::string> texts_of(const std::vector<double>& ids, const Texts& texts) {
  std::vector<std::string> out;
  for (const double id : ids) {
    const auto found = texts.find(static_cast<std::int64_t>(id));
    out.push_back(found == texts.end() ? "id " + std::to_string(static_cast<std::int64_t>(id)) : found->second);
  }
  return out;
}

// The arrays of a table with one row per place and position.
struct LensArrays {
  store::Array top_ids, top_logits, top_probabilities, divergence, entropy;
};

Result<LensArrays> read_arrays(const store::ResultReader& reader) {
  LensArrays out;
  HS_ASSIGN(out.top_probabilities, array_of(reader, top, 3));
  for (const auto& [name, array] : {std::pair("/top_ids", &out.top_ids), {"/top_logits", &out.top_logits}}) {
    HS_ASSIGN(*array, array_of(reader, group + name, 3));
    HS_TRY(check_shape(*array, out.top_probabilities.spec.shape, group + name));
  }
  const std::vector<std::int64_t> flat = {out.top_ids.spec.shape[0], out.top_ids.spec.shape[1]};
  for (const auto& [path, array] : {std::pair(&divergence, &out.divergence), {&entropy, &out.entropy}}) {
    HS_ASSIGN(*array, array_of(reader, *path, 2));
    HS_TRY(check_shape(*array, flat, *path));
  }
  return out;
}

Status add_chosen(const store::ResultReader& reader, const store::Array& first, figures::Records& records) {
  for (const char* what : {"logit", "probability", "rank"}) {
    const std::string path =
        group + "/token_" + (std::string(what) == "probability" ? "probabilities" : what + std::string("s"));
    HS_ASSIGN(const store::Array array, array_of(reader, path, 3));
    if (array.spec.shape[0] != first.spec.shape[0] || array.spec.shape[1] != first.spec.shape[1])
      return make_error(ErrorCode::corrupt, "has another shape than what stands beside it", {}, path);
    for (std::int64_t token = 0; token < array.spec.shape[2]; ++token)
      records.add(what + std::string(" of ") + label_of(array, 2, token), layer_of(array, token));
  }
  return {};
}

Result<figures::Records> records_of_lens(const store::ResultReader& reader, const LensArrays& lens,
                                         const Texts& texts) {
  const store::Array& first = lens.top_probabilities;
  std::vector<std::string> places, tokens;
  std::vector<double> positions;
  const std::vector<std::string> names = position_texts(reader, first), labels = labels_of(first, 1);
  for (std::int64_t place = 0; place < first.spec.shape[0]; ++place)
    for (std::int64_t at = 0; at < first.spec.shape[1]; ++at) {
      places.push_back(label_of(first, 0, place));
      positions.push_back(std::strtod(labels[static_cast<std::size_t>(at)].c_str(), nullptr));
      tokens.push_back(names[static_cast<std::size_t>(at)]);
    }
  figures::Records records;
  records.add("place", std::move(places)).add("position", std::move(positions)).add("token", std::move(tokens));
  const std::vector<double> ids = layer_of(lens.top_ids, 0);
  records.add("top_id", ids);
  if (!texts.empty()) records.add("top_token", texts_of(ids, texts));
  records.add("top_logit", layer_of(lens.top_logits, 0)).add("top_probability", layer_of(first, 0));
  records.add("kl_divergence", lens.divergence.values).add("entropy", lens.entropy.values);
  if (reader.exists(chosen)) HS_TRY(add_chosen(reader, first, records));
  return records;
}

Result<ResultFigure> top_figure(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const LensArrays lens, read_arrays(reader));
  HS_ASSIGN(const Texts texts, token_texts(reader));
  figures::HeatmapFigure map = map_of(reader, lens.top_probabilities, layer_of(lens.top_probabilities, 0));
  map.title = "Logit lens: the likeliest next token";
  map.subtitle = joined({model_name(reader), "what the model would predict after each place"});
  map.scale.label = "its probability";
  map.scale.high = 1.0;
  if (!texts.empty()) map.cell_texts = texts_of(layer_of(lens.top_ids, 0), texts);
  HS_ASSIGN(figures::Records records, records_of_lens(reader, lens, texts));
  return ResultFigure{.name = item.name,
                      .figure = std::move(map),
                      .table = std::move(records),
                      .array = numbers(lens.top_probabilities)};
}

Result<ResultFigure> figure(const store::ResultReader& reader, const ResultItem& item) {
  if (item.path == top) return top_figure(reader, item);
  const bool of_token = item.path == chosen;
  HS_ASSIGN(const store::Array array, array_of(reader, item.path, of_token ? 3 : 2));
  const auto token = static_cast<std::int64_t>(item.index);
  if (of_token && token >= array.spec.shape[2])
    return make_error(ErrorCode::not_found, "has no such token", {}, item.path);
  figures::HeatmapFigure map = map_of(reader, array, of_token ? layer_of(array, token) : array.values);
  const std::string what = array.spec.long_name.empty() ? item.path : array.spec.long_name;
  map.title = "Logit lens: " + (of_token ? "probability of " + label_of(array, 2, token) : what);
  map.subtitle = model_name(reader);
  map.scale.label = of_token ? "probability" : what;
  if (of_token) map.scale.high = 1.0;
  return ResultFigure{.name = item.name, .figure = std::move(map)};
}

} // namespace

extern const ResultPart lens_part;
const ResultPart lens_part = {"lens", "the logit lens", "/logit_lens", list, figure};

} // namespace headscope
