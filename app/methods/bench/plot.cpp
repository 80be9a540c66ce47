// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/bench/plot.h"

#include <algorithm>
#include <filesystem>

#include "app/figures/figure.h"
#include "app/figures/runtime.h"

namespace headscope::methods {
namespace {

namespace fs = std::filesystem;

Result<figures::Format> format_of(const std::string& path) {
  const std::string ending = fs::path(path).extension().string();
  auto format = figures::parse_format(ending.empty() ? ending : ending.substr(1));
  if (!format.ok()) return make_error(ErrorCode::invalid_argument, "must end in .png, .svg or .pdf", path, "--plot");
  return format;
}

std::int64_t varied(const GrowthRow& row) {
  if (row.axis == "heads") return row.heads;
  return row.axis == "layers" ? row.layers : row.tokens;
}

figures::LineFigure figure_of(const std::vector<GrowthRun>& runs, const std::string& axis, bool memory) {
  figures::LineFigure figure;
  figure.title = (memory ? "Peak memory by " : "Time by ") + axis + ": " + runs.front().what;
  figure.subtitle = runs.front().model + ", " + runs.front().dtype + ", batch of " + std::to_string(runs.front().batch);
  figure.x_axis = axis;
  figure.y_axis = memory ? "MiB above the model" : "seconds";
  figure.log_x = figure.log_y = true;
  for (const GrowthRun& run : runs) {
    figures::Series series;
    series.name = run.machine;
    for (const GrowthRow& row : run.rows) {
      if (row.axis != axis) continue;
      const double y = memory ? static_cast<double>(row.memory_bytes) / (1 << 20) : row.seconds;
      if (y <= 0.0) continue; // a logarithm has no place for it
      series.x.push_back(static_cast<double>(varied(row)));
      series.y.push_back(y);
    }
    if (!series.x.empty()) figure.series.push_back(std::move(series));
  }
  return figure;
}

} // namespace

Status check_plot(const std::string& path) {
  HS_TRY(format_of(path));
  return {};
}

Result<std::vector<std::string>> plot_growth(const std::vector<GrowthRun>& runs, const std::string& path,
                                             bool overwrite) {
  HS_ASSIGN(const figures::Format format, format_of(path));
  const figures::FigureRuntime runtime;
  figures::RenderOptions options;
  options.overwrite = overwrite;
  const figures::Provenance provenance;
  std::vector<std::string> written;
  for (const char* axis : {"tokens", "heads", "layers"})
    for (const bool memory : {false, true}) {
      const figures::LineFigure figure = figure_of(runs, axis, memory);
      if (figure.series.empty()) continue;
      const fs::path place(path);
      const std::string name = place.stem().string() + "-" + axis + (memory ? "-memory" : "-seconds");
      written.push_back((place.parent_path() / (name + place.extension().string())).string());
      HS_TRY(figures::render(figure, written.back(), format, options, provenance));
    }
  return written;
}

} // namespace headscope::methods
