// SPDX-License-Identifier: GPL-3.0-or-later
// Heads, MLPs and neurons ablated together: the metric of each prompt before and after, and how complete a circuit is.
#include "app/result_figures/parts/common.h"

namespace headscope {
namespace {

using namespace parts;

const std::string completeness = "/completeness";

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  ResultItems items;
  HS_ASSIGN(const auto names, reader.list(self.group));
  for (const std::string& name : names) {
    const std::string path = std::string(self.group) + "/" + name;
    items.push_back({&self, path, 0, "joint-" + name});
    if (reader.exists(path + completeness))
      items.push_back({&self, path + completeness, 0, "joint-" + name + "-complete"});
  }
  return items;
}

figures::BarFigure bars(const store::Attributes& attributes, const std::string& title, const std::string& subtitle) {
  figures::BarFigure figure;
  figure.title = title;
  figure.subtitle = subtitle;
  figure.y_axis = store::text_attribute(attributes, "metric");
  return figure;
}

Result<ResultFigure> prompts_figure(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const store::Attributes attributes, reader.attributes(item.path));
  HS_ASSIGN(const store::Array clean, array_of(reader, item.path + "/clean", 1));
  HS_ASSIGN(const store::Array ablated, array_of(reader, item.path + "/ablated", 1));
  HS_TRY(check_shape(ablated, clean.spec.shape, item.path + "/ablated"));
  HS_ASSIGN(const auto nodes, reader.strings(item.path + "/nodes"));
  const bool others = store::text_attribute(attributes, "ablates") == "all_but_nodes";
  const std::string what = (others ? "All but " : "") + counted(std::ssize(nodes), "node") + " ablated together (" +
                           store::text_attribute(attributes, "method") + ")";
  figures::BarFigure figure = bars(attributes, what, model_name(reader));
  figure.x_axis = "prompt";
  figure.categories = labels_of(clean, 0);
  figure.series = {{"nothing ablated", {}, clean.values, {}, {}}, {"ablated", {}, ablated.values, {}, {}}};
  std::vector<double> effect;
  for (std::size_t i = 0; i < clean.values.size(); ++i)
    effect.push_back(ablated.values[i] - clean.values[i]);
  figures::Records records;
  records.add("prompt", figure.categories).add("clean", clean.values);
  records.add("ablated", ablated.values).add("effect", std::move(effect));
  return ResultFigure{.name = item.name, .figure = std::move(figure), .table = std::move(records)};
}

const std::vector<double>* doubles(const store::Table& table, const std::string& name) {
  for (const store::Column& column : table.columns)
    if (column.name == name) return std::get_if<std::vector<double>>(&column.values);
  return nullptr;
}

Result<ResultFigure> completeness_figure(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const store::Table table, reader.table(item.path));
  const std::string parent = item.path.substr(0, item.path.size() - completeness.size());
  HS_ASSIGN(const store::Attributes attributes, reader.attributes(parent));
  const auto* circuit = doubles(table, "circuit_without");
  const auto* model = doubles(table, "model_without");
  if (circuit == nullptr || model == nullptr || circuit->size() != model->size() || circuit->empty())
    return make_error(ErrorCode::corrupt, "lacks a column, or has no rows", {}, item.path);
  figures::BarFigure figure =
      bars(attributes, "How complete the circuit is",
           joined({model_name(reader), "the same nodes left out of the circuit and ablated in the model"}));
  figure.x_axis = "nodes left out; first: none";
  figure.series = {{"circuit without them", {}, *circuit, {}, {}}, {"model without them", {}, *model, {}, {}}};
  return ResultFigure{.name = item.name, .figure = std::move(figure), .table = records_of(table)};
}

Result<ResultFigure> figure(const store::ResultReader& reader, const ResultItem& item) {
  return item.path.ends_with(completeness) ? completeness_figure(reader, item) : prompts_figure(reader, item);
}

} // namespace

extern const ResultPart joint_part;
const ResultPart joint_part = {"joint", "nodes ablated together", "/ablation_joint", list, figure};

} // namespace headscope
