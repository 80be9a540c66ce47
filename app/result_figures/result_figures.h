// SPDX-License-Identifier: GPL-3.0-or-later
// Makes figures of everything in a result file that can be drawn: one mapping for the command line and the window.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/result_figures/result_part.h"

namespace headscope {

// Reads a list of parts separated by commas, or "all"; returns invalid_argument, with the known names, for any other.
Result<std::vector<const ResultPart*>> parse_result_parts(const std::string& names);
// The names of all parts: "attention, scores, ... or all".
std::string result_part_names();

// Lists, cheaply, everything that the file has of the parts; figure_of() then reads one.
Result<ResultItems> list_items(const store::ResultReader& reader, const std::vector<const ResultPart*>& parts);
Result<ResultFigure> figure_of(const store::ResultReader& reader, const ResultItem& item);

// A map of scores frames this many heads at most; the subtitle says of how many, and of which ("" without any).
constexpr std::size_t most_framed = 10;
std::string frames_text(std::size_t heads, std::optional<double> threshold);

// The provenance of a figure: model, SHA-256, versions, command, file.
figures::Provenance provenance_of(const store::ResultReader& reader, const std::string& file, const ResultItem& item);

} // namespace headscope
