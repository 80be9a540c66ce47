// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/values.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/base/plain_text.h"

namespace headscope::cli {
namespace {

// Code points, which is near enough to columns for the tables here.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

} // namespace

nlohmann::json number(double value) { return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr); }

std::string fixed(double value, int digits) {
  if (std::isnan(value)) return "-";
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string value_text(double value) {
  if (std::isnan(value) || value == 0.0 || std::abs(value) >= 5e-4) return fixed(value, 4);
  char text[64];
  std::snprintf(text, sizeof text, "%.2e", value);
  return text;
}

std::string aligned(std::vector<std::vector<std::string>> lines) {
  for (auto& line : lines)
    for (std::string& cell : line)
      cell = plain_text(cell);
  std::vector<std::size_t> widths;
  for (const auto& line : lines)
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (i == widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], width(line[i]));
    }
  std::string text;
  for (const auto& line : lines) {
    std::string row;
    for (std::size_t i = 0; i < line.size(); ++i)
      row += line[i] + (i + 1 < line.size() ? std::string(widths[i] - width(line[i]) + 2, ' ') : "");
    text += row + "\n";
  }
  return text;
}

std::string one_line(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\t')
      out += "\\t";
    else
      out += c;
  }
  return plain_text(out);
}

} // namespace headscope::cli
