// SPDX-License-Identifier: GPL-3.0-or-later
// Formats numbers for JSON and for tables on the terminal.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include <nlohmann/json.hpp>

namespace headscope::methods {

nlohmann::json number(double value); // NaN and infinity as null

// Makes [rows][cols] of a row-major array.
template <typename T> nlohmann::json matrix(const std::vector<T>& values, std::size_t rows, std::size_t cols) {
  nlohmann::json out = nlohmann::json::array();
  for (std::size_t r = 0; r < rows; ++r) {
    nlohmann::json row = nlohmann::json::array();
    for (std::size_t c = 0; c < cols; ++c) {
      if constexpr (std::is_integral_v<T>)
        row.push_back(values[r * cols + c]);
      else
        row.push_back(number(static_cast<double>(values[r * cols + c])));
    }
    out.push_back(std::move(row));
  }
  return out;
}

std::string fixed(double value, int digits); // "-" for NaN
// Writes four decimals; values that these would show as 0.0000 are written as 3.21e-05.
std::string value_text(double value);

// Formats as printf does.
[[gnu::format(printf, 1, 2)]] std::string printed(const char* format, ...);

double mean_over(const std::vector<double>& values); // of those that are not NaN; NaN where none is

// How a list of values is ranked.
enum class Rank : std::uint8_t { by_size, highest, lowest };
// Indices of the finite values in ranked order; among equals the first comes first.
std::vector<std::size_t> strongest_first(const std::vector<double>& values, Rank rank);

// Aligns columns by their widest cell; the first line is the header.
std::string aligned(std::vector<std::vector<std::string>> lines);

// Writes a token or text on one line, with newlines, tabs and control characters escaped.
std::string one_line(const std::string& text);
// Writes several lines for a terminal, with control characters escaped except newlines and tabs.
std::string plain_lines(const std::string& text);

} // namespace headscope::methods
