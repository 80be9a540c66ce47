// SPDX-License-Identifier: GPL-3.0-or-later
// Numbers for JSON and for tables on the terminal.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace headscope::cli {

nlohmann::json number(double value); // NaN and infinity as null

// [rows][cols] of a row-major array.
template <typename T> nlohmann::json matrix(const std::vector<T>& values, std::size_t rows, std::size_t cols) {
  nlohmann::json out = nlohmann::json::array();
  for (std::size_t r = 0; r < rows; ++r) {
    nlohmann::json row = nlohmann::json::array();
    for (std::size_t c = 0; c < cols; ++c)
      row.push_back(number(static_cast<double>(values[r * cols + c])));
    out.push_back(std::move(row));
  }
  return out;
}

std::string fixed(double value, int digits); // "-" for NaN
// Four decimals; what these would show as 0.0000 with its size, as 3.21e-05.
std::string value_text(double value);

// Columns aligned by the widest cell; the first line is the header.
std::string aligned(std::vector<std::vector<std::string>> lines);

// A token or text on one line: newlines, tabs and control characters escaped.
std::string one_line(const std::string& text);

} // namespace headscope::cli
