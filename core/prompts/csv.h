// SPDX-License-Identifier: GPL-3.0-or-later
// Reads and writes comma-separated values as in RFC 4180.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace headscope {

struct CsvTable {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows; // each as long as the header
  std::vector<int> lines;                     // where each row begins in the file
  std::optional<std::size_t> column(const std::string& name) const;
};

// One record with its line end; fields are quoted where they must be.
std::string csv_line(const std::vector<std::string>& fields);

// Returns corrupt, naming the line: an unclosed quote or a row of another length.
Result<CsvTable> parse_csv(const std::string& text, const std::string& file);

} // namespace headscope
