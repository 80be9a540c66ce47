// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>

#include "app/cli/command.h"
#include "app/cli/export_target.h"
#include "app/cli/interrupt.h"
#include "app/figures/files.h"
#include "app/figures/restyle.h"
#include "app/figures/runtime.h"
#include "app/result_figures/result_figures.h"
#include "core/base/plain_text.h"

namespace headscope::cli {
namespace {

namespace fs = std::filesystem;

constexpr double pixels_per_point = 96.0 / 72.0;

struct Options {
  std::string file, what = "all", formats = "png", heads;
  std::string color_map, range;
  double font_points = 9;
  bool sheet = false;
  ExportTarget target;
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

Result<std::vector<std::string>> parse_formats(const std::string& text) {
  const std::vector<std::string> formats = split(text);
  for (const std::string& format : formats)
    if (!is_table_format(format) && !figures::parse_format(format).ok())
      return make_error(ErrorCode::invalid_argument, "must be png, svg, pdf, csv or npy, not '" + format + "'", {},
                        "--format");
  if (formats.empty()) return make_error(ErrorCode::invalid_argument, "names no format", {}, "--format");
  return formats;
}

// Turns a field of the figures' options in an error into the command's option.
Error at_option(Error error) {
  for (const auto& [field, option] : {std::pair("width", "--width"),
                                      {"scale", "--scale"},
                                      {"font", "--font"},
                                      {"font_size", "--font-size"},
                                      {"color_map", "--color-map"},
                                      {"range", "--range"}})
    if (error.field == field) error.field = option;
  return error;
}

// Checks the options before the file is opened.
Status check(Options& options, const std::vector<std::string>& formats) {
  ExportTarget& target = options.target;
  if (target.prefix.find('/') != std::string::npos)
    return make_error(ErrorCode::invalid_argument, "must not hold a /; the folder is --out", {}, "--name");
  if (!options.color_map.empty()) {
    const auto map = figures::parse_color_map(options.color_map);
    if (!map.ok()) return at_option(map.error());
    target.color_map = *map;
  }
  if (!options.range.empty()) {
    const auto range = figures::parse_range(options.range);
    if (!range.ok()) return at_option(range.error());
    target.range = *range;
  }
  if (!(options.font_points >= 4 && options.font_points <= 48))
    return make_error(ErrorCode::invalid_argument, "must lie between 4 and 48 points", {}, "--font-size");
  target.render.font_size = options.font_points * pixels_per_point;
  if (std::all_of(formats.begin(), formats.end(), is_table_format)) return {}; // numbers need no fonts
  const Status figures_say = figures::check_options(target.render);
  return figures_say.ok() ? figures_say : at_option(figures_say.error());
}

bool is_attention(const ResultItem& item) { return std::string_view(item.part->name) == "attention"; }

bool is_map_of(const ResultItem& item, const std::string& head) {
  return is_attention(item) && item.name.size() > head.size() &&
         item.name.compare(item.name.size() - head.size() - 1, std::string::npos, "-" + head) == 0;
}

// Keeps only the maps of these heads; none given: all.
Status keep_heads(ResultItems& items, const std::vector<std::string>& heads, const std::string& file) {
  for (const std::string& head : heads)
    if (std::none_of(items.begin(), items.end(), [&](const ResultItem& item) { return is_map_of(item, head); }))
      return make_error(ErrorCode::not_found, "holds no map of head " + head, file, "--heads");
  std::erase_if(items, [&](const ResultItem& item) {
    return is_attention(item) && !heads.empty() &&
           std::none_of(heads.begin(), heads.end(), [&](const std::string& head) { return is_map_of(item, head); });
  });
  return {};
}

// The content of one file in each format: an item, or with --sheet all items of a part that has pages.
struct Export {
  ResultItem item; // the first; its name is the files'
  ResultItems page;
};

Result<std::vector<Export>> exports_of(const ResultItems& items, const Options& options) {
  std::vector<Export> exports;
  bool any_page = false;
  for (const ResultItem& item : items) {
    const bool on_page = options.sheet && item.part->sheet != nullptr;
    const auto page = std::find_if(exports.begin(), exports.end(), [&](const Export& each) {
      return on_page && !each.page.empty() && each.item.part == item.part;
    });
    any_page = any_page || on_page;
    if (page != exports.end())
      page->page.push_back(item);
    else if (on_page)
      exports.push_back({{item.part, item.path, 0, std::string(item.part->name) + "-sheet"}, {item}});
    else
      exports.push_back({item, {}});
  }
  if (options.sheet && !any_page)
    return make_error(ErrorCode::not_found, "holds no attention maps to put on a page", options.file, "--sheet");
  return exports;
}

Result<ResultFigure> read(const store::ResultReader& reader, const Export& each) {
  return each.page.empty() ? figure_of(reader, each.item) : each.item.part->sheet(reader, each.page);
}

// Checks every file that will be written before writing the first, since half an export is useless.
Status check_targets(const std::vector<Export>& exports, const std::vector<std::string>& formats,
                     const Options& options) {
  std::set<std::string> taken;
  const bool overwrite = options.target.render.overwrite;
  for (const Export& each : exports)
    for (const std::string& format : formats) {
      const std::string path = path_of(each.item.name, format, options.target);
      if (!taken.insert(path).second)
        return make_error(ErrorCode::unsupported, "two parts of the result would be written to this file", path,
                          each.item.name);
      HS_TRY(figures::check_writable(path, overwrite));
      if (is_table_format(format)) HS_TRY(figures::check_writable(path + ".json", overwrite));
    }
  return {};
}

// The files that were written, and those that could not be.
struct Outcome {
  nlohmann::json files = nlohmann::json::array();
  std::vector<std::string> lacking; // "bench-growth as png"
  std::optional<Error> skipped;     // the last
};

Status write_all(const store::ResultReader& reader, const Export& each, const std::vector<std::string>& formats,
                 const Options& options, const Console& console, Outcome& out) {
  auto figure = read(reader, each);
  if (!figure.ok() && figure.error().code == ErrorCode::unsupported && options.what == "all") {
    console.note(figure.error().to_string());
    out.skipped = figure.error();
    return {};
  }
  if (!figure.ok()) return figure.error();
  const figures::Provenance provenance = provenance_of(reader, options.file, each.item);
  for (const std::string& format : formats) {
    if (!has_format(*figure, format)) {
      out.lacking.push_back(each.item.name + " as " + format);
      continue;
    }
    const std::string path = path_of(each.item.name, format, options.target);
    const Status written = write_export(reader, each.item, *figure, format, path, options.target, provenance);
    if (!written.ok()) return at_option(written.error());
    out.files.push_back(path);
    if (!console.json) std::printf("%s\n", plain_text(path).c_str());
  }
  return {};
}

// Reports the outcome. Tables have no picture, texts no NPY: that is not an error where something else was written.
Status finish(const Outcome& out, const Options& options, const Console& console) {
  if (out.files.empty() && out.skipped) return *out.skipped;
  if (out.files.empty() && !out.lacking.empty())
    return make_error(ErrorCode::unsupported, "cannot be had; there may be another --format of it (csv, npy)",
                      options.file, out.lacking.front());
  if (!out.lacking.empty()) {
    std::string more;
    if (out.lacking.size() > 1)
      more.append(" and ").append(std::to_string(out.lacking.size() - 1)).append(" more like it");
    console.note(out.lacking.front() + more + " cannot be had; there may be another --format (csv, npy)");
  }
  if (console.json) console.print({{"files", out.files}});
  return {};
}

Status run(Options options, const Console& console) {
  HS_ASSIGN(const auto parts, parse_result_parts(options.what));
  HS_ASSIGN(const auto formats, parse_formats(options.formats));
  const figures::FigureRuntime runtime;
  HS_TRY(check(options, formats));
  HS_ASSIGN(const auto reader, store::ResultReader::open(options.file));
  HS_ASSIGN(auto items, list_items(reader, parts));
  if (items.empty())
    return make_error(ErrorCode::not_found, "holds nothing of that kind", options.file, "--what " + options.what);
  HS_TRY(keep_heads(items, split(options.heads), options.file));
  HS_ASSIGN(const std::vector<Export> exports, exports_of(items, options));
  HS_TRY(figures::make_folder(options.target.folder));
  HS_TRY(check_targets(exports, formats, options));
  const RunControl control = console.control();
  const std::int64_t count = std::ssize(exports);
  Outcome outcome;
  for (std::int64_t i = 0; i < count; ++i) {
    if (interrupted()) return make_error(ErrorCode::cancelled, "interrupted; the files written until then are whole");
    control.report("exporting", i, count);
    HS_TRY(write_all(reader, exports[static_cast<std::size_t>(i)], formats, options, console, outcome));
  }
  control.report("exporting", count, count);
  return finish(outcome, options, console);
}

std::string what_help() {
  std::string text = "Which parts, with commas:";
  for (const ResultPart& part : result_parts())
    text += std::string(" ") + part.name + " (" + part.what + "),";
  return text + " or all";
}

void add_look(CLI::App& command, Options& options) {
  figures::RenderOptions& render = options.target.render;
  command.add_option("--width", render.width, "Of a picture, in 1/96 inch; 0: chosen by what it shows")
      ->capture_default_str();
  command.add_option("--scale", render.scale, "Pixels of a PNG for each 1/96 inch")->capture_default_str();
  command.add_option("--font", render.font, "Family of all texts, as 'DejaVu Serif'; default: DejaVu Sans");
  command
      .add_option("--font-size", options.font_points,
                  "Of the axes' titles, in points; the other texts keep their proportion")
      ->capture_default_str();
  command.add_option("--title", options.target.title, "Instead of each figure's own title");
  command.add_option("--color-map", options.color_map,
                     "Of maps: viridis, vik (about the middle, for signed values) or gray; default: by the values");
  command.add_option("--range", options.range, "Ends of the colours of maps, LOW,HIGH; default: those of the values");
  command.add_flag("--dark", render.dark, "Light text on a dark page");
}

} // namespace

void add_export(CLI::App& app, Commands& commands) {
  CLI::App* command = add_command(
      app, commands, "export", "Draw what a result file holds, or write it as numbers",
      "headscope export maps.h5 --what attention --sheet --range 0,1 --plain-names --format pdf,csv --out figures");
  auto options = std::make_shared<Options>();
  command->add_option("FILE", options->file, "An HDF5 result file")->required();
  command->add_option("--what", options->what, what_help())->capture_default_str();
  command->add_option("--format", options->formats, "png, svg, pdf, csv and npy, comma-separated")
      ->capture_default_str();
  command->add_option("--out,-o", options->target.folder, "The folder to write into")->required();
  command->add_option("--heads", options->heads, "Only the attention maps of these heads: 18.6,17.3");
  command->add_flag("--sheet", options->sheet,
                    "All attention maps on one page with one colour scale, and in one table");
  command->add_flag("--long", options->target.long_table,
                    "CSV with one row a value: prompt,head,query,query_token,key,key_token,weight of attention");
  command->add_option("--name", options->target.prefix, "Begin the names of the files with this");
  command->add_flag("--plain-names", options->target.plain_names,
                    "Names of letters, digits and - alone, as LaTeX takes them: attention-18-6.pdf");
  add_look(*command, *options);
  command->add_flag("--force", options->target.render.overwrite, "Replace existing files");
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
