// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>

#include "app/cli/command.h"
#include "app/cli/interrupt.h"
#include "app/figures/figure.h"
#include "app/figures/files.h"
#include "app/figures/runtime.h"
#include "app/figures/table.h"
#include "app/result_figures/result_figures.h"
#include "core/base/plain_text.h"

namespace headscope::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string file, what = "all", formats = "png", folder, heads, prefix;
  figures::RenderOptions render;
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::string part;
  for (const char c : text + ",") {
    if (c != ',') {
      part += c;
      continue;
    }
    if (!part.empty() && std::find(parts.begin(), parts.end(), part) == parts.end()) parts.push_back(part);
    part.clear();
  }
  return parts;
}

bool is_table(const std::string& format) { return format == "csv" || format == "npy"; }

Result<std::vector<std::string>> parse_formats(const std::string& text) {
  const std::vector<std::string> formats = split(text);
  for (const std::string& format : formats)
    if (!is_table(format) && !figures::parse_format(format).ok())
      return make_error(ErrorCode::invalid_argument, "must be png, svg, pdf, csv or npy, not '" + format + "'", {},
                        "--format");
  if (formats.empty()) return make_error(ErrorCode::invalid_argument, "names no format", {}, "--format");
  return formats;
}

bool is_map_of(const ResultItem& item, const std::string& head) {
  return item.part == ResultPart::attention && item.name.size() > head.size() &&
         item.name.compare(item.name.size() - head.size() - 1, std::string::npos, "-" + head) == 0;
}

// Keeps only the maps of these heads; none given: all.
Status keep_heads(std::vector<ResultItem>& items, const std::vector<std::string>& heads, const std::string& file) {
  for (const std::string& head : heads)
    if (std::none_of(items.begin(), items.end(), [&](const ResultItem& item) { return is_map_of(item, head); }))
      return make_error(ErrorCode::not_found, "holds no map of head " + head, file, "--heads");
  std::erase_if(items, [&](const ResultItem& item) {
    return item.part == ResultPart::attention && !heads.empty() &&
           std::none_of(heads.begin(), heads.end(), [&](const std::string& head) { return is_map_of(item, head); });
  });
  return {};
}

Status write_npy(const ResultFigure& figure, const std::string& path, const Options& options,
                 const figures::Provenance& provenance) {
  const figures::WriteOptions how{options.render.overwrite};
  if (figure.array) return figures::write_npy(path, figure.array->shape, figure.array->values, provenance, how);
  if (figure.table.columns.empty())
    return figures::write_npy(path, {figure.map.rows, figure.map.cols}, figure.map.values, provenance, how);
  const auto columns = std::ssize(figure.table.columns);
  const std::vector<float> values(figure.table.values.begin(), figure.table.values.end());
  return figures::write_npy(path, {std::ssize(values) / columns, columns}, values, provenance, how);
}

Status write_one(const ResultFigure& figure, const std::string& format, const std::string& path, const Options& options,
                 const figures::Provenance& provenance) {
  if (format == "npy") return write_npy(figure, path, options, provenance);
  if (format == "csv" && !figure.table.columns.empty())
    return figures::write_csv(path, figure.table, provenance, {options.render.overwrite});
  if (format == "csv") {
    HS_ASSIGN(const figures::Table table, figures::to_table(figure.map));
    return figures::write_csv(path, table, provenance, {options.render.overwrite});
  }
  HS_ASSIGN(const figures::Format picture, figures::parse_format(format));
  if (figure.graph) return figures::render(*figure.graph, path, picture, options.render, provenance);
  if (figure.panels) return figures::render(*figure.panels, path, picture, options.render, provenance);
  if (figure.lines) return figures::render(*figure.lines, path, picture, options.render, provenance);
  return figures::render(figure.map, path, picture, options.render, provenance);
}

std::string path_of(const ResultItem& item, const std::string& format, const Options& options) {
  return (fs::path(options.folder) / (options.prefix + file_name_text(item.name) + "." + format)).string();
}

// Every file that will be written, before the first is: half of an export is of no use to anybody.
Status check_targets(const std::vector<ResultItem>& items, const std::vector<std::string>& formats,
                     const Options& options) {
  std::set<std::string> taken;
  for (const ResultItem& item : items)
    for (const std::string& format : formats) {
      const std::string path = path_of(item, format, options);
      if (!taken.insert(path).second)
        return make_error(ErrorCode::unsupported, "two parts of the result would be written to this file", path,
                          item.name);
      HS_TRY(figures::check_writable(path, options.render.overwrite));
      if (is_table(format)) HS_TRY(figures::check_writable(path + ".json", options.render.overwrite));
    }
  return {};
}

Status make_folder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error || !fs::is_directory(folder))
    return make_error(ErrorCode::io, "cannot be made: " + error.message(), folder);
  return {};
}

Status run(const Options& options, const Console& console) {
  HS_ASSIGN(const auto parts, parse_result_parts(options.what));
  HS_ASSIGN(const auto formats, parse_formats(options.formats));
  if (options.prefix.find('/') != std::string::npos)
    return make_error(ErrorCode::invalid_argument, "must not hold a /; the folder is --out", {}, "--name");
  HS_ASSIGN(const auto reader, store::ResultReader::open(options.file));
  HS_ASSIGN(auto items, list_items(reader, parts));
  if (items.empty())
    return make_error(ErrorCode::not_found, "holds nothing of that kind", options.file, "--what " + options.what);
  HS_TRY(keep_heads(items, split(options.heads), options.file));
  HS_TRY(make_folder(options.folder));
  HS_TRY(check_targets(items, formats, options));
  const figures::FigureRuntime runtime;
  const TaskContext task = console.task();
  nlohmann::json files = nlohmann::json::array();
  std::optional<Error> skipped;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (interrupted()) return make_error(ErrorCode::cancelled, "interrupted; the files written until then are whole");
    task.report("exporting", static_cast<std::int64_t>(i), static_cast<std::int64_t>(items.size()));
    const auto figure = figure_of(reader, items[i]);
    if (!figure.ok() && figure.error().code == ErrorCode::unsupported && options.what == "all") {
      console.note(figure.error().to_string());
      skipped = figure.error();
      continue;
    }
    if (!figure.ok()) return figure.error();
    for (const std::string& format : formats) {
      const std::string path = path_of(items[i], format, options);
      HS_TRY(write_one(*figure, format, path, options, provenance_of(reader, options.file, items[i])));
      files.push_back(path);
      if (!console.json) std::printf("%s\n", plain_text(path).c_str());
    }
  }
  task.report("exporting", static_cast<std::int64_t>(items.size()), static_cast<std::int64_t>(items.size()));
  if (files.empty() && skipped) return *skipped;
  if (console.json) console.print({{"files", files}});
  return {};
}

} // namespace

void add_export(CLI::App& app, Commands& commands) {
  CLI::App* command = add_command(app, commands, "export", "Draw what a result file holds, or write it as numbers",
                                  "headscope export maps.h5 --what attention --format png,svg,csv --out figures");
  auto options = std::make_shared<Options>();
  command->add_option("FILE", options->file, "An HDF5 result file")->required();
  command->add_option("--what", options->what, "attention, scores, ablation, patching, masking, circuit or all")
      ->capture_default_str();
  command->add_option("--format", options->formats, "png, svg, pdf, csv and npy, comma-separated")
      ->capture_default_str();
  command->add_option("--out,-o", options->folder, "The folder to write into")->required();
  command->add_option("--heads", options->heads, "Only the maps of these heads: 18.6,17.3");
  command->add_option("--name", options->prefix, "Begin the names of the files with this");
  command->add_option("--scale", options->render.scale, "Pixels of a PNG for each 1/96 inch")->capture_default_str();
  command->add_flag("--dark", options->render.dark, "Light text on a dark page");
  command->add_flag("--force", options->render.overwrite, "Replace existing files");
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
