// SPDX-License-Identifier: GPL-3.0-or-later
// Direct logit attribution: what each head and each MLP writes towards the answer, means over prompts.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "app/result_figures/parts/common.h"

namespace headscope {
namespace {

using namespace parts;

// The arrays of a folder, with prompts as the first axis.
struct Attribution {
  store::Array heads, mlps, attn_bias, input, constant, total;
  std::int64_t prompts = 0, layers = 0, n_heads = 0;
};

Result<Attribution> read(const store::ResultReader& reader, const std::string& path) {
  Attribution out;
  HS_ASSIGN(out.heads, array_of(reader, path + "/heads", 3));
  out.prompts = out.heads.spec.shape[0];
  out.layers = out.heads.spec.shape[1];
  out.n_heads = out.heads.spec.shape[2];
  for (const auto& [name, array] : {std::pair("/mlps", &out.mlps), {"/attn_bias", &out.attn_bias}}) {
    HS_ASSIGN(*array, array_of(reader, path + name, 2));
    HS_TRY(check_shape(*array, {out.prompts, out.layers}, path + name));
  }
  for (const auto& [name, array] :
       {std::pair("/input", &out.input), {"/constant", &out.constant}, {"/total", &out.total}}) {
    HS_ASSIGN(*array, array_of(reader, path + name, 1));
    HS_TRY(check_shape(*array, {out.prompts}, path + name));
  }
  return out;
}

// One term of the sum for every prompt.
std::vector<double> over_prompts(const store::Array& array, std::int64_t place) {
  std::vector<double> values;
  for (std::int64_t prompt = 0; prompt < array.spec.shape[0]; ++prompt)
    values.push_back(row_of(array, prompt)[static_cast<std::size_t>(place)]);
  return values;
}

bool any(const store::Array& array) {
  return std::any_of(array.values.begin(), array.values.end(), [](double value) { return value != 0.0; });
}

// A map of layers by heads, with columns for the other writers of a layer.
figures::HeatmapFigure map_of(const Attribution& found) {
  const bool bias = any(found.attn_bias);
  const std::int64_t columns = found.n_heads + 1 + (bias ? 1 : 0);
  std::vector<float> values;
  for (std::int64_t layer = 0; layer < found.layers; ++layer) {
    for (std::int64_t head = 0; head < found.n_heads; ++head)
      values.push_back(static_cast<float>(mean(over_prompts(found.heads, layer * found.n_heads + head))));
    values.push_back(static_cast<float>(mean(over_prompts(found.mlps, layer))));
    if (bias) values.push_back(static_cast<float>(mean(over_prompts(found.attn_bias, layer))));
  }
  figures::HeatmapFigure map = head_map(found.layers, columns, std::move(values));
  for (std::int64_t head = 0; head < found.n_heads; ++head)
    map.x_ticks.push_back(std::to_string(head));
  map.x_ticks.emplace_back("MLP");
  if (bias) map.x_ticks.emplace_back("bias");
  map.x_axis = "head, MLP";
  map.scale.kind = figures::ScaleKind::diverging;
  map.scale.label = "written towards the answer";
  map.scale.units = shown_units(found.heads.spec.units);
  return map;
}

std::string mean_text(const char* name, const store::Array& array) {
  char text[64];
  std::snprintf(text, sizeof text, "%s %.3g", name, mean(array.values));
  return text;
}

// A table with one row per component and one column per prompt.
class Components {
public:
  explicit Components(const Attribution& found) : found_(found), prompts_(static_cast<std::size_t>(found.prompts)) {}

  void add(const std::string& name, std::int64_t layer, std::int64_t head, const std::vector<double>& values) {
    names_.push_back(name);
    layers_.push_back(layer < 0 ? NAN : static_cast<double>(layer));
    heads_.push_back(head < 0 ? NAN : static_cast<double>(head));
    means_.push_back(mean(values));
    for (std::size_t prompt = 0; prompt < prompts_.size(); ++prompt)
      prompts_[prompt].push_back(values[prompt]);
  }

  figures::Records records() && {
    figures::Records out;
    out.add("component", std::move(names_)).add("layer", std::move(layers_)).add("head", std::move(heads_));
    out.add("mean", std::move(means_));
    for (std::size_t prompt = 0; prompt < prompts_.size(); ++prompt)
      out.add(label_of(found_.heads, 0, static_cast<std::int64_t>(prompt)), std::move(prompts_[prompt]));
    return out;
  }

private:
  const Attribution& found_;
  std::vector<std::string> names_;
  std::vector<double> layers_, heads_, means_;
  std::vector<std::vector<double>> prompts_;
};

figures::Records records_of_parts(const Attribution& found) {
  Components rows(found);
  rows.add("input", -1, -1, found.input.values);
  for (std::int64_t layer = 0; layer < found.layers; ++layer) {
    const std::string number = std::to_string(layer);
    for (std::int64_t head = 0; head < found.n_heads; ++head)
      rows.add("a" + number + ".h" + std::to_string(head), layer, head,
               over_prompts(found.heads, layer * found.n_heads + head));
    rows.add("m" + number, layer, -1, over_prompts(found.mlps, layer));
    rows.add("attn_bias " + number, layer, -1, over_prompts(found.attn_bias, layer));
  }
  rows.add("constant", -1, -1, found.constant.values);
  rows.add("total", -1, -1, found.total.values);
  return std::move(rows).records();
}

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  HS_ASSIGN(const auto folders, method_folders(self, reader, "heads", "attribution"));
  ResultItems items;
  for (const MethodFolder& folder : folders)
    items.push_back({&self, folder.path, 0, folder.name});
  return items;
}

Result<ResultFigure> figure(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const Attribution found, read(reader, item.path));
  figures::HeatmapFigure map = map_of(found);
  map.title = "Direct logit attribution";
  map.subtitle = joined({model_name(reader), "answer minus wrong answer at the last token",
                         "mean over " + counted(found.prompts, "prompt"), mean_text("embedding", found.input),
                         mean_text("biases at the end", found.constant), mean_text("all together", found.total)});
  return ResultFigure{
      .name = item.name, .figure = std::move(map), .table = records_of_parts(found), .array = numbers(found.heads)};
}

} // namespace

extern const ResultPart attribution_part;
const ResultPart attribution_part = {"attribution", "direct logit attribution", "/logit_attribution", list, figure};

} // namespace headscope
