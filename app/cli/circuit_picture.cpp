// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/circuit_picture.h"

#include "app/figures/figure.h"
#include "app/figures/runtime.h"
#include "app/result_figures/result_figures.h"

namespace headscope::cli {

bool is_picture_format(const std::string& format) { return figures::parse_format(format).ok(); }

Status draw_circuits(const std::string& result_file, const std::vector<CircuitPicture>& pictures, bool overwrite) {
  const figures::FigureRuntime runtime;
  figures::RenderOptions options;
  options.overwrite = overwrite;
  HS_ASSIGN(const auto reader, store::ResultReader::open(result_file));
  for (const CircuitPicture& picture : pictures) {
    const ResultItem item{find_result_part("circuit"), picture.graph, 0, picture.graph};
    HS_ASSIGN(const figures::Format format, figures::parse_format(picture.format));
    HS_ASSIGN(const ResultFigure figure, figure_of(reader, item));
    HS_TRY(figures::render(*figure.figure, picture.path, format, options, provenance_of(reader, result_file, item)));
  }
  return {};
}

} // namespace headscope::cli
