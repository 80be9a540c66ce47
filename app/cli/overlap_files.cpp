// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/overlap_files.h"

#include <algorithm>
#include <filesystem>

#include "app/figures/files.h"
#include "app/figures/runtime.h"
#include "app/figures/table.h"

namespace headscope::cli {
namespace {

namespace fs = std::filesystem;

struct Kind {
  const char* name;
  Overlap CircuitComparison::*overlap;
};
constexpr Kind kinds[] = {{"edges", &CircuitComparison::edges},
                          {"nodes", &CircuitComparison::nodes},
                          {"heads", &CircuitComparison::heads},
                          {"mlps", &CircuitComparison::mlps}};

// The share of the first circuit's parts that the second also has, [first, second].
std::vector<float> shares(const CircuitOverlaps& overlaps, const Kind& kind) {
  std::vector<float> values;
  for (const CircuitComparison& found : overlaps.between)
    values.push_back(static_cast<float>((found.*kind.overlap).of_first()));
  return values;
}

figures::PanelFigure picture(const CircuitOverlaps& overlaps) {
  figures::PanelFigure page;
  page.title.append("What ").append(std::to_string(overlaps.names.size())).append(" circuits share");
  page.subtitle = "which share of what the row's circuit has the column's has too";
  page.columns = 2;
  for (const Kind& kind : kinds) {
    figures::HeatmapFigure map;
    map.title = kind.name;
    map.rows = map.cols = std::ssize(overlaps.names);
    map.x_ticks = map.y_ticks = overlaps.names;
    map.values = shares(overlaps, kind);
    map.annotate_values = true;
    map.scale.low = 0.0;
    map.scale.high = 1.0;
    map.scale.label = "share";
    page.panels.push_back(std::move(map));
  }
  return page;
}

// A table with one row per kind and pair.
figures::Records table(const CircuitOverlaps& overlaps) {
  std::vector<std::string> what, first, second;
  std::vector<double> in_first, in_second, both, jaccard, of_first, of_second;
  const std::size_t count = overlaps.names.size();
  for (const Kind& kind : kinds)
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = i + 1; j < count; ++j) {
        const Overlap& overlap = overlaps.between[i * count + j].*kind.overlap;
        what.emplace_back(kind.name);
        first.push_back(overlaps.names[i]);
        second.push_back(overlaps.names[j]);
        in_first.push_back(static_cast<double>(overlap.first));
        in_second.push_back(static_cast<double>(overlap.second));
        both.push_back(static_cast<double>(overlap.both));
        jaccard.push_back(overlap.jaccard());
        of_first.push_back(overlap.of_first());
        of_second.push_back(overlap.of_second());
      }
  figures::Records records;
  records.add("what", std::move(what)).add("first", std::move(first)).add("second", std::move(second));
  records.add("in_first", std::move(in_first)).add("in_second", std::move(in_second)).add("both", std::move(both));
  records.add("jaccard", std::move(jaccard)).add("of_first", std::move(of_first));
  return records.add("of_second", std::move(of_second));
}

Status write(const CircuitOverlaps& overlaps, const std::string& format, const std::string& path, bool overwrite) {
  figures::Provenance provenance;
  for (const std::string& name : overlaps.names)
    provenance.add("circuit", name);
  if (format == "csv") return figures::write_csv(path, table(overlaps), provenance, {overwrite});
  if (format == "npy") {
    std::vector<float> all;
    for (const Kind& kind : kinds) {
      const std::vector<float> values = shares(overlaps, kind);
      all.insert(all.end(), values.begin(), values.end());
    }
    const std::int64_t count = std::ssize(overlaps.names);
    return figures::write_npy(path, {std::ssize(kinds), count, count}, all, provenance, {overwrite});
  }
  HS_ASSIGN(const figures::Format picture_format, figures::parse_format(format));
  figures::RenderOptions options;
  options.overwrite = overwrite;
  return figures::render(picture(overlaps), path, picture_format, options, provenance);
}

Result<std::vector<std::string>> parse_formats(const std::string& text) {
  std::vector<std::string> formats;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t comma = std::min(text.find(',', from), text.size());
    const std::string format = text.substr(from, comma - from);
    if (format != "csv" && format != "npy" && !figures::parse_format(format).ok())
      return make_error(ErrorCode::invalid_argument, "must be png, svg, pdf, csv or npy, not '" + format + "'", {},
                        "--format");
    formats.push_back(format);
    from = comma + 1;
  }
  return formats;
}

} // namespace

Result<std::vector<std::string>> write_overlaps(const CircuitOverlaps& overlaps, const OverlapTarget& target) {
  HS_ASSIGN(const auto formats, parse_formats(target.formats));
  HS_TRY(figures::make_folder(target.folder));
  std::vector<std::string> files;
  for (const std::string& format : formats) {
    files.push_back((fs::path(target.folder) / ("circuit-compare." + format)).string());
    HS_TRY(figures::check_writable(files.back(), target.overwrite));
  }
  const figures::FigureRuntime runtime;
  for (std::size_t i = 0; i < formats.size(); ++i)
    HS_TRY(write(overlaps, formats[i], files[i], target.overwrite));
  return files;
}

} // namespace headscope::cli
