// SPDX-License-Identifier: GPL-3.0-or-later
// Attention maps: one figure per head, or all on one page with one colour scale.
#include <algorithm>
#include <cmath>
#include <set>

#include "app/result_figures/parts/common.h"

namespace headscope {
namespace {

using namespace parts;

constexpr std::int64_t most_cells = std::int64_t{1} << 26; // of a page: more than any screen or printer shows
constexpr std::size_t most_maps = 400;                     // as of figures::PanelFigure

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  ResultItems items;
  HS_ASSIGN(const auto prompts, reader.list(self.group));
  for (const std::string& prompt : prompts) {
    HS_ASSIGN(const store::AttentionSpec spec, reader.attention(prompt));
    const std::string prefix = prompts.size() > 1 ? "attention-" + prompt + "-" : "attention-";
    for (std::size_t i = 0; i < spec.heads.size(); ++i)
      items.push_back({&self, prompt, i, prefix + head_name(spec.heads[i])});
  }
  return items;
}

// A map, and the head it belongs to.
struct HeadMap {
  figures::HeatmapFigure map;
  std::string prompt, head;
};

Result<HeadMap> read_map(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const store::AttentionSpec spec, reader.attention(item.path));
  HS_ASSIGN(const store::Prompt prompt, reader.prompt(spec.prompt));
  HeadMap out{{}, item.path, head_name(spec.heads[item.index])};
  figures::HeatmapFigure& map = out.map;
  map.title = "Attention of head " + out.head;
  map.subtitle = joined({model_name(reader), "weight of each key token for each query token"});
  map.rows = spec.n_query;
  map.cols = spec.n_key;
  HS_ASSIGN(map.values,
            reader.attention_tile(item.path, static_cast<std::int64_t>(item.index), 0, spec.n_query, 0, spec.n_key));
  map.x_axis = "key token";
  map.y_axis = "query token";
  map.x_ticks = prompt.token_texts.empty() ? prompt.token_pieces : prompt.token_texts;
  // The queries are the last tokens; attention() has checked that there are no more of them than keys.
  map.y_ticks.assign(map.x_ticks.end() - spec.n_query, map.x_ticks.end());
  map.causal_mask = spec.n_key >= spec.n_query;
  map.scale.label = "attention weight";
  map.scale.low = 0.0;
  return out;
}

Result<ResultFigure> figure(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(HeadMap found, read_map(reader, item));
  return ResultFigure{.name = item.name, .figure = std::move(found.map)};
}

// Records with the columns prompt, head, query, query_token, key, key_token and weight; positions are the prompt's.
Result<figures::Records> records_of_map(const HeadMap& found) {
  HS_ASSIGN(figures::Records cells, figures::to_records(found.map, "weight"));
  for (figures::RecordColumn& column : cells.columns)
    if (column.name == "query")
      for (double& query : std::get<std::vector<double>>(column.values))
        query += static_cast<double>(found.map.cols - found.map.rows);
  figures::Records records;
  records.add("prompt", std::vector<std::string>(cells.rows(), found.prompt));
  records.add("head", std::vector<std::string>(cells.rows(), found.head));
  std::move(cells.columns.begin(), cells.columns.end(), std::back_inserter(records.columns));
  return records;
}

Result<figures::Records> long_table(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const HeadMap found, read_map(reader, item));
  return records_of_map(found);
}

void append(figures::Records& all, figures::Records&& more) {
  if (all.columns.empty()) {
    all = std::move(more);
    return;
  }
  for (std::size_t i = 0; i < all.columns.size(); ++i)
    std::visit(
        [&](auto& to) {
          auto& from = std::get<std::decay_t<decltype(to)>>(more.columns[i].values);
          to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
        },
        all.columns[i].values);
}

// The maps as one array [map, query, key]; NaN beyond the end of a shorter prompt.
NumberArray array_of_maps(const std::vector<figures::HeatmapFigure>& maps) {
  std::int64_t rows = 0, cols = 0;
  for (const figures::HeatmapFigure& map : maps) {
    rows = std::max(rows, map.rows);
    cols = std::max(cols, map.cols);
  }
  NumberArray out{{std::ssize(maps), rows, cols},
                  std::vector<float>(maps.size() * static_cast<std::size_t>(rows * cols), NAN)};
  for (std::size_t i = 0; i < maps.size(); ++i)
    for (std::int64_t row = 0; row < maps[i].rows; ++row)
      std::copy_n(maps[i].values.begin() + row * maps[i].cols, maps[i].cols,
                  out.values.begin() + (static_cast<std::int64_t>(i) * rows + row) * cols);
  return out;
}

Status check_size(const store::ResultReader& reader, std::span<const ResultItem> items) {
  std::int64_t cells = 0;
  for (const ResultItem& item : items) {
    HS_ASSIGN(const store::AttentionSpec spec, reader.attention(item.path));
    cells += spec.n_query * spec.n_key;
  }
  if (items.size() <= most_maps && cells <= most_cells) return {};
  return make_error(ErrorCode::unsupported,
                    std::to_string(items.size()) + " maps of " + std::to_string(cells) +
                        " cells are too many for one page; choose with --heads",
                    {}, "--sheet");
}

Result<ResultFigure> sheet(const store::ResultReader& reader, std::span<const ResultItem> items) {
  HS_TRY(check_size(reader, items));
  figures::PanelFigure page;
  figures::Records records;
  std::set<std::string> prompts;
  for (const ResultItem& item : items)
    prompts.insert(item.path);
  for (const ResultItem& item : items) {
    HS_ASSIGN(HeadMap found, read_map(reader, item));
    HS_ASSIGN(figures::Records more, records_of_map(found));
    append(records, std::move(more));
    found.map.title = prompts.size() > 1 ? found.head + ", " + found.prompt : found.head;
    found.map.subtitle.clear();
    found.map.x_axis.clear(); // said once, above
    found.map.y_axis.clear();
    page.panels.push_back(std::move(found.map));
  }
  page.title = "Attention of " + counted(std::ssize(items), "head");
  page.subtitle = joined({model_name(reader), prompts.size() > 1 ? counted(std::ssize(prompts), "prompt") : "",
                          "rows: query tokens, columns: key tokens; one colour scale"});
  ResultFigure out{.name = "attention-sheet", .figure = std::nullopt};
  out.array = array_of_maps(page.panels);
  out.figure = std::move(page);
  out.table = std::move(records);
  return out;
}

} // namespace

extern const ResultPart attention_part;
const ResultPart attention_part = {"attention", "attention maps", "/attention", list, figure, long_table, sheet};

} // namespace headscope
