// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/detectors/own_pattern.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <ATen/ATen.h>

#include "core/base/sha256.h"
#include "core/base/text_file.h"
#include "core/prompts/csv.h"
#include "core/store/array_file.h"
#include "plugins/detectors/detection_pattern.h"
#include "plugins/sdk/options.h"

namespace headscope {
namespace {

constexpr Named<PatternRule> rules[] = {
    {PatternRule::first, "first", "every query attends to the first token"},
    {PatternRule::current, "current", "every query attends to its own token"},
    {PatternRule::previous, "previous", "to the token before it"},
    {PatternRule::same_token, "same_token", "to earlier occurrences of its token"},
    {PatternRule::after_same_token, "after_same_token", "to what followed those"},
};

std::string sizes_text(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const std::int64_t size : shape)
    text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text.empty() ? "one number" : text;
}

Result<float> number_of(const std::string& cell, const std::string& path, const std::string& place) {
  const auto begin = cell.find_first_not_of(" \t"), end = cell.find_last_not_of(" \t");
  const std::string text = begin == std::string::npos ? "" : cell.substr(begin, end - begin + 1);
  double value = 0.0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (!text.empty() && read.ec == std::errc{} && read.ptr == text.data() + text.size())
    return static_cast<float>(value);
  return make_error(ErrorCode::invalid_argument, "must be a number, not '" + text + "'", path, place);
}

// Reads a matrix without a header: the line that looks like one is the first query.
Result<store::NumberArray> read_csv_matrix(const std::string& path) {
  HS_ASSIGN(const std::string text, read_text_file(path));
  HS_ASSIGN(const CsvTable table, parse_csv(text, path));
  store::NumberArray out;
  out.shape = {std::ssize(table.rows) + 1, std::ssize(table.header)};
  for (std::size_t row = 0; row <= table.rows.size(); ++row) {
    const std::vector<std::string>& cells = row == 0 ? table.header : table.rows[row - 1];
    const int line = row == 0 ? 1 : table.lines[row - 1];
    for (std::size_t c = 0; c < cells.size(); ++c) {
      HS_ASSIGN(const float value,
                number_of(cells[c], path, "line " + std::to_string(line) + ", column " + std::to_string(c + 1)));
      out.values.push_back(value);
    }
  }
  return out;
}

// Refuses weights on keys after their query, which no head has, and values that are not finite.
Status check_matrix(const store::NumberArray& array, const std::string& path) {
  if (array.shape.size() != 2 || array.shape[0] != array.shape[1] || array.values.empty())
    return make_error(ErrorCode::invalid_argument,
                      "must be a square matrix [query, key], not " + sizes_text(array.shape), path);
  const std::int64_t size = array.shape[0];
  for (std::int64_t q = 0; q < size; ++q)
    for (std::int64_t k = 0; k < size; ++k) {
      const float value = array.values[static_cast<std::size_t>(q * size + k)];
      const std::string place = "query " + std::to_string(q) + ", key " + std::to_string(k);
      if (!std::isfinite(value)) return make_error(ErrorCode::invalid_argument, "is not a finite number", path, place);
      if (k > q && value != 0.0F)
        return make_error(ErrorCode::invalid_argument, "must be 0: no query attends to a later token", path, place);
    }
  return {};
}

Result<OwnPattern> read_matrix(const std::string& path) {
  HS_TRY(check_readable(path));
  HS_ASSIGN(const store::NumberArray array,
            path.ends_with(".csv") ? read_csv_matrix(path) : store::read_array_file(path, {}));
  HS_TRY(check_matrix(array, path));
  HS_ASSIGN(const std::string hash, sha256_file(path));
  OwnPattern pattern;
  pattern.name = path;
  pattern.matrix = at::empty({array.shape[0], array.shape[1]}, at::kFloat);
  std::copy(array.values.begin(), array.values.end(), pattern.matrix.data_ptr<float>());
  pattern.is_mask =
      std::all_of(array.values.begin(), array.values.end(), [](float x) { return x == 0.0F || x == 1.0F; });
  pattern.findings = {{"pattern_sha256", hash}};
  return pattern;
}

} // namespace

template <> std::span<const Named<PatternRule>> names_of<PatternRule>() { return rules; }

at::Tensor rule_pattern(PatternRule rule, const at::Tensor& tokens) {
  const std::int64_t size = tokens.size(0);
  switch (rule) {
  case PatternRule::first: {
    at::Tensor pattern = at::zeros({size, size});
    pattern.select(1, 0).fill_(1.0);
    return pattern;
  }
  case PatternRule::current: return at::eye(size);
  case PatternRule::previous: return detection_pattern("previous", tokens);
  case PatternRule::same_token: return detection_pattern("duplicate", tokens);
  case PatternRule::after_same_token: return detection_pattern("induction", tokens);
  }
  return {};
}

Result<OwnPattern> read_pattern(const std::string& text, const std::string& option) {
  std::string name = text;
  std::replace(name.begin(), name.end(), ' ', '_');
  if (const auto rule = parse_name<PatternRule>(name, option); rule.ok()) {
    OwnPattern pattern;
    pattern.name = name_of(*rule);
    pattern.rule = *rule;
    return pattern;
  }
  if (!text.ends_with(".npy") && !text.ends_with(".csv"))
    return make_error(ErrorCode::invalid_argument,
                      "must be " + all_names<PatternRule>() + ", or a .npy or .csv file, not '" + text + "'", {},
                      option);
  auto pattern = read_matrix(text);
  if (!pattern.ok()) return at_option(pattern.error(), option);
  return pattern;
}

Result<at::Tensor> pattern_on(const OwnPattern& pattern, const at::Tensor& tokens, const std::string& option) {
  if (pattern.rule) return rule_pattern(*pattern.rule, tokens);
  if (pattern.matrix.size(0) == tokens.size(0)) return pattern.matrix;
  return make_error(ErrorCode::invalid_argument,
                    "is of " + std::to_string(pattern.matrix.size(0)) + " tokens, the text has " +
                        std::to_string(tokens.size(0)),
                    pattern.name, option);
}

} // namespace headscope
