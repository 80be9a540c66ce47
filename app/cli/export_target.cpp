// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/export_target.h"

#include <algorithm>
#include <filesystem>

#include "app/figures/table.h"
#include "core/base/plain_text.h"

namespace headscope::cli {
namespace {

const figures::HeatmapFigure* map_of(const ResultFigure& figure) {
  return figure.figure ? std::get_if<figures::HeatmapFigure>(&*figure.figure) : nullptr;
}

Error no_numbers(const std::string& path) {
  return make_error(ErrorCode::internal, "has neither a map nor a table of numbers", path);
}

Status write_npy(const ResultFigure& figure, const std::string& path, const figures::Provenance& provenance,
                 const figures::WriteOptions& how) {
  if (figure.array) return figures::write_npy(path, figure.array->shape, figure.array->values, provenance, how);
  if (const auto* records = std::get_if<figures::Records>(&figure.table))
    return figures::write_npy(path, *records, provenance, how);
  if (const auto* table = std::get_if<figures::Table>(&figure.table)) {
    const auto columns = std::ssize(table->columns);
    const std::vector<float> values(table->values.begin(), table->values.end());
    return figures::write_npy(path, {std::ssize(values) / columns, columns}, values, provenance, how);
  }
  const figures::HeatmapFigure* map = map_of(figure);
  return map ? figures::write_npy(path, {map->rows, map->cols}, map->values, provenance, how) : no_numbers(path);
}

Status write_csv(const ResultFigure& figure, const std::string& path, const figures::Provenance& provenance,
                 const figures::WriteOptions& how) {
  if (const auto* records = std::get_if<figures::Records>(&figure.table))
    return figures::write_csv(path, *records, provenance, how);
  if (const auto* table = std::get_if<figures::Table>(&figure.table))
    return figures::write_csv(path, *table, provenance, how);
  const figures::HeatmapFigure* map = map_of(figure);
  if (map == nullptr) return no_numbers(path);
  HS_ASSIGN(const figures::Table table, figures::to_table(*map));
  return figures::write_csv(path, table, provenance, how);
}

// Writes maps with one row per cell; other tables already have one row per observation.
Status write_long(const store::ResultReader& reader, const ResultItem& item, const ResultFigure& figure,
                  const std::string& path, const figures::Provenance& provenance, const figures::WriteOptions& how) {
  const figures::HeatmapFigure* map = map_of(figure);
  if (!std::holds_alternative<std::monostate>(figure.table) || map == nullptr)
    return write_csv(figure, path, provenance, how);
  if (item.part->long_table != nullptr) {
    HS_ASSIGN(const figures::Records records, item.part->long_table(reader, item));
    return figures::write_csv(path, records, provenance, how);
  }
  HS_ASSIGN(const figures::Records records, figures::to_records(*map, "value"));
  return figures::write_csv(path, records, provenance, how);
}

} // namespace

bool is_table_format(const std::string& format) { return format == "csv" || format == "npy"; }

bool has_format(const ResultFigure& figure, const std::string& format) {
  if (!is_table_format(format)) return figure.figure.has_value();
  const bool is_map = map_of(figure) != nullptr;
  if (format == "csv") return is_map || !std::holds_alternative<std::monostate>(figure.table);
  const auto* records = std::get_if<figures::Records>(&figure.table);
  if (figure.array || records == nullptr)
    return figure.array || is_map || std::holds_alternative<figures::Table>(figure.table);
  return std::any_of(records->columns.begin(), records->columns.end(), [](const figures::RecordColumn& column) {
    return std::holds_alternative<std::vector<double>>(column.values);
  });
}

std::string plain_name(const std::string& name) {
  std::string out;
  for (const char c : name) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (plain)
      out += c;
    else if (!out.empty() && out.back() != '-')
      out += '-';
  }
  while (!out.empty() && out.back() == '-')
    out.pop_back();
  return out.empty() ? "figure" : out;
}

std::string path_of(const std::string& name, const std::string& format, const ExportTarget& target) {
  const std::string base = target.plain_names ? plain_name(target.prefix + name) : target.prefix + file_name_text(name);
  return (std::filesystem::path(target.folder) / (base + "." + format)).string();
}

Status write_export(const store::ResultReader& reader, const ResultItem& item, const ResultFigure& figure,
                    const std::string& format, const std::string& path, const ExportTarget& target,
                    const figures::Provenance& provenance) {
  const figures::WriteOptions how{target.render.overwrite};
  if (format == "npy") return write_npy(figure, path, provenance, how);
  if (format == "csv")
    return target.long_table ? write_long(reader, item, figure, path, provenance, how)
                             : write_csv(figure, path, provenance, how);
  HS_ASSIGN(const figures::Format picture, figures::parse_format(format));
  figures::Figure drawn = *figure.figure;
  if (!target.title.empty()) figures::set_title(drawn, target.title);
  if (target.color_map) figures::set_color_map(drawn, *target.color_map);
  if (target.range) figures::set_range(drawn, *target.range);
  return figures::render(drawn, path, picture, target.render, provenance);
}

} // namespace headscope::cli
