// SPDX-License-Identifier: GPL-3.0-or-later
// Circuits as graphs, and how faithful they are by their number of edges.
#include "app/result_figures/graph_figure.h"
#include "app/result_figures/parts/common.h"

namespace headscope {
namespace {

using namespace parts;

const std::string curve_suffix = "/curve";

struct CurveKind {
  const char *dataset, *name;
};
constexpr CurveKind curves[] = {{"curve_signed", "by score"}, {"curve_absolute", "by |score|"}};

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  HS_ASSIGN(const ResultItems graphs, items_by_name(self, reader, "circuit"));
  ResultItems items;
  for (const ResultItem& graph : graphs) {
    items.push_back(graph);
    for (const CurveKind& kind : curves)
      if (reader.exists("/graph/" + graph.path + "/" + kind.dataset)) {
        items.push_back({&self, graph.path + curve_suffix, 0, graph.name + "-curve"});
        break;
      }
  }
  return items;
}

Result<ResultFigure> graph(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const store::Graph graph, reader.graph(item.path));
  const store::Graph members = members_of(graph);
  if (members.edges.empty())
    return make_error(ErrorCode::unsupported, "has no edge in its circuit, so there is nothing to draw", {}, item.name);
  figures::GraphFigure figure = graph_figure(
      members, lay_out(members), 0.0,
      joined({model_name(reader), store::text_attribute(graph.attributes, "method"),
              std::to_string(members.edges.size()) + " of " + std::to_string(graph.edges.size()) + " edges"}));
  figure.label = "change of " + graph.metric + " when the edge is patched";
  return ResultFigure{.name = item.name, .figure = std::move(figure), .table = graph_records(members)};
}

const std::vector<double>* doubles(const figures::Records& records, const char* name) {
  for (const figures::RecordColumn& column : records.columns)
    if (column.name == name) return std::get_if<std::vector<double>>(&column.values);
  return nullptr;
}

// Appends the rows of one ranking to those of the other.
Status append(figures::Records& all, const figures::Records& more, const std::string& ranking,
              const std::string& path) {
  std::vector<std::string> names(more.rows(), ranking);
  if (all.columns.empty()) {
    all.add("ranking", std::move(names));
    for (const figures::RecordColumn& column : more.columns)
      all.columns.push_back(column);
    return {};
  }
  const auto bad = [&] {
    return make_error(ErrorCode::corrupt, "has other columns than the curve beside it", {}, path);
  };
  if (all.columns.size() != more.columns.size() + 1) return bad();
  auto& rankings = std::get<std::vector<std::string>>(all.columns.front().values);
  rankings.insert(rankings.end(), names.begin(), names.end());
  for (std::size_t i = 0; i < more.columns.size(); ++i) {
    auto* to = std::get_if<std::vector<double>>(&all.columns[i + 1].values);
    const auto* from = std::get_if<std::vector<double>>(&more.columns[i].values);
    if (to == nullptr || from == nullptr) return bad();
    to->insert(to->end(), from->begin(), from->end());
  }
  return {};
}

Result<ResultFigure> curve(const store::ResultReader& reader, const ResultItem& item) {
  const std::string name = item.path.substr(0, item.path.size() - curve_suffix.size());
  figures::LineFigure lines;
  lines.title = "Faithfulness of the circuit by its edges";
  lines.subtitle = joined({model_name(reader), name, "dashed: the whole model and the empty circuit"});
  lines.x_axis = "share of edges";
  lines.y_axis = "(circuit - empty) / (model - empty)";
  lines.log_x = true;
  lines.rules = {{1.0, "model", false}, {0.0, "empty", false}};
  figures::Records all;
  for (const CurveKind& kind : curves) {
    const std::string path = "/graph/" + name + "/" + kind.dataset;
    if (!reader.exists(path)) continue;
    HS_ASSIGN(const store::Table table, reader.table(path));
    const figures::Records records = records_of(table);
    const auto *share = doubles(records, "share"), *faithfulness = doubles(records, "faithfulness");
    if (share == nullptr || faithfulness == nullptr)
      return make_error(ErrorCode::corrupt, "must have the columns share and faithfulness", {}, path);
    lines.series.push_back({kind.name, *share, *faithfulness, {}, {}});
    HS_TRY(append(all, records, kind.dataset, path));
  }
  return ResultFigure{.name = item.name, .figure = std::move(lines), .table = std::move(all)};
}

Result<ResultFigure> figure(const store::ResultReader& reader, const ResultItem& item) {
  return item.path.ends_with(curve_suffix) ? curve(reader, item) : graph(reader, item);
}

} // namespace

extern const ResultPart circuit_part;
const ResultPart circuit_part = {"circuit", "circuits", "/graph", list, figure};

} // namespace headscope
