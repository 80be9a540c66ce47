// SPDX-License-Identifier: GPL-3.0-or-later
// Writes one figure of a result file, and chooses its file name.
#pragma once

#include <optional>
#include <string>

#include "app/figures/restyle.h"
#include "app/result_figures/result_part.h"

namespace headscope::cli {

struct ExportTarget {
  std::string folder, prefix;
  bool plain_names = false; // letters, digits and '-' alone
  bool long_table = false;  // CSV with one row a value
  std::string title;        // empty: the figure's own
  std::optional<figures::ColorMap> color_map;
  std::optional<figures::ValueRange> range;
  figures::RenderOptions render;
};

bool is_table_format(const std::string& format); // csv, npy

// Whether the figure exists in this format: it may have no picture, or no numbers.
bool has_format(const ResultFigure& figure, const std::string& format);

// Keeps letters, digits and '-'; anything between them becomes one '-'.
std::string plain_name(const std::string& name);

std::string path_of(const std::string& name, const std::string& format, const ExportTarget& target);

// Writes a picture, or the numbers as CSV or NPY.
Status write_export(const store::ResultReader& reader, const ResultItem& item, const ResultFigure& figure,
                    const std::string& format, const std::string& path, const ExportTarget& target,
                    const figures::Provenance& provenance);

} // namespace headscope::cli
