// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/examples/examples_report.h"

#include <algorithm>
#include <limits>
#include <span>

#include "app/methods/base/values.h"
#include "core/store/column_values.h"

namespace headscope::methods {
namespace {

// How many tokens are shown around the peak.
constexpr std::int64_t shown_before = 16, shown_after = 8;

// A text without the BOS that was added before it.
struct Shown {
  std::span<const std::int64_t> ids;
  std::span<const float> values;
  std::int64_t peak = 0, start = 0; // the first token's place in the corpus

  std::int64_t peak_id() const { return ids[static_cast<std::size_t>(peak)]; }
};

Shown shown(const ExamplesResult& result, const ExampleText& example) {
  const auto text = static_cast<std::size_t>(example.text), added = static_cast<std::size_t>(result.corpus.added);
  return {std::span(result.corpus.texts[text]).subspan(added), std::span(example.values).subspan(added),
          example.peak - result.corpus.added, result.corpus.start(text)};
}

std::string quantile_name(double quantile) { return quantile >= 1.0 ? "max" : nlohmann::json(quantile).dump(); }

nlohmann::json text_json(const Shown& text, const Tokenizer& tokenizer) {
  nlohmann::json pieces = nlohmann::json::array(), values = nlohmann::json::array();
  for (const std::int64_t id : text.ids)
    pieces.push_back(tokenizer.piece(id));
  for (const float value : text.values)
    values.push_back(number(value));
  return {{"text_start", text.start},
          {"tokens", std::move(pieces)},
          {"values", std::move(values)},
          {"peak", text.peak},
          {"value", number(text.values[static_cast<std::size_t>(text.peak)])},
          {"text", tokenizer.decode(text.ids)}};
}

// The tokens around the peak, which is in double brackets.
std::string context_of(const Shown& text, const Tokenizer& tokenizer) {
  const std::int64_t begin = std::max<std::int64_t>(0, text.peak - shown_before);
  const std::int64_t end = std::min<std::int64_t>(std::ssize(text.ids), text.peak + 1 + shown_after);
  const auto part = [&](std::int64_t from, std::int64_t to) {
    return tokenizer.decode(text.ids.subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from)));
  };
  std::string line = begin > 0 ? "..." : "";
  line.append(part(begin, text.peak)).append("[[").append(tokenizer.text(text.peak_id())).append("]]");
  line.append(part(text.peak + 1, end)).append(end < std::ssize(text.ids) ? "..." : "");
  return one_line(line);
}

nlohmann::json to_json(const ExamplesResult& result, const Tokenizer& tokenizer) {
  nlohmann::json texts = nlohmann::json::array(), quantiles = nlohmann::json::object();
  for (const ExampleText& example : result.found.top)
    texts.push_back(text_json(shown(result, example), tokenizer));
  for (std::size_t i = 0; i < result.quantiles.size(); ++i)
    quantiles[quantile_name(result.quantiles[i])] = number(result.found.quantiles[i]);
  return {{"target", result.target.what},      {"texts", std::move(texts)},
          {"quantiles", std::move(quantiles)}, {"positive", number(result.found.positive)},
          {"tokens", result.found.tokens},     {"corpus_texts", result.found.texts},
          {"complete", result.found.complete}};
}

std::string text_of(const ExamplesResult& result, const Tokenizer& tokenizer) {
  std::string text(result.target.what);
  text.append(" over ").append(std::to_string(result.found.tokens)).append(" tokens of ");
  text.append(std::to_string(result.found.texts)).append(" texts\n");
  for (std::size_t i = 0; i < result.quantiles.size(); ++i)
    text.append(i ? "  " : "")
        .append(quantile_name(result.quantiles[i]))
        .append(": ")
        .append(value_text(result.found.quantiles[i]));
  text.append("  above 0: ").append(fixed(100.0 * result.found.positive, 1)).append("%\n\n");
  std::vector<std::vector<std::string>> lines = {{"value", "token", "context"}};
  for (const ExampleText& example : result.found.top) {
    const Shown one = shown(result, example);
    lines.push_back({value_text(example.value), std::to_string(one.start + one.peak), context_of(one, tokenizer)});
  }
  return text.append(aligned(lines));
}

store::Table texts_table(const ExamplesResult& result, const Tokenizer& tokenizer) {
  struct Row {
    std::int64_t start = 0, length = 0, peak = 0;
    double value = 0.0;
    std::string token, text;
  };
  std::vector<Row> rows;
  for (const ExampleText& example : result.found.top) {
    const Shown one = shown(result, example);
    rows.push_back({.start = one.start,
                    .length = std::ssize(one.ids),
                    .peak = one.peak,
                    .value = example.value,
                    .token = tokenizer.piece(one.peak_id()),
                    .text = tokenizer.decode(one.ids)});
  }
  const auto column = [&](auto member) { return store::column_values(rows, member); };
  return {{{"text_start", column(&Row::start), "token", "which token of the corpus the text begins with"},
           {"length", column(&Row::length), "token", "tokens of the text"},
           {"peak", column(&Row::peak), "token", "position in the text of the largest value"},
           {"value", column(&Row::value), result.target.units, "the value there"},
           {"token", column(&Row::token), "label", "the token there"},
           {"text", column(&Row::text), "text", "the text"}},
          {}};
}

// Stores rows [rank, position]; after the end of a shorter text values are NaN, ids -1.
Status store_rows(store::ResultWriter& writer, const std::string& group, const ExamplesResult& result) {
  const auto width = static_cast<std::size_t>(result.corpus.length - result.corpus.added);
  std::vector<float> values(result.found.top.size() * width, std::numeric_limits<float>::quiet_NaN());
  std::vector<std::int64_t> ids(values.size(), -1);
  for (std::size_t rank = 0; rank < result.found.top.size(); ++rank) {
    const Shown one = shown(result, result.found.top[rank]);
    std::copy(one.values.begin(), one.values.end(), values.begin() + static_cast<std::ptrdiff_t>(rank * width));
    std::copy(one.ids.begin(), one.ids.end(), ids.begin() + static_cast<std::ptrdiff_t>(rank * width));
  }
  store::ArraySpec spec;
  spec.axes = {{"rank", {}}, {"position", {}}};
  spec.shape = {std::ssize(result.found.top), static_cast<std::int64_t>(width)};
  spec.units = result.target.units;
  spec.long_name = result.target.what;
  HS_TRY(writer.add_array(std::string(group).append("/values"), spec, std::span<const float>(values)));
  spec.dtype = store::DType::int64;
  spec.units = "token id";
  spec.long_name = "tokens of the texts";
  return writer.add_array(std::string(group).append("/token_ids"), spec, std::span<const std::int64_t>(ids));
}

} // namespace

Report examples_report(const ExamplesResult& result, const Tokenizer& tokenizer) {
  return {to_json(result, tokenizer), text_of(result, tokenizer), result.found.complete};
}

Status store_examples(store::ResultWriter& writer, const ExamplesResult& result, const Tokenizer& tokenizer) {
  const std::string group = std::string("/examples/").append(result.target.name);
  HS_TRY(writer.set_attributes(group, {{"target", result.target.what},
                                       {"hook", hook_name(result.target.response.site)},
                                       {"tokens", result.found.tokens},
                                       {"texts", result.found.texts},
                                       {"positive", result.found.positive}}));
  HS_TRY(writer.add_table(std::string(group).append("/texts"), texts_table(result, tokenizer)));
  HS_TRY(writer.add_table(std::string(group).append("/quantiles"),
                          {{{"quantile", result.quantiles, "1", "share of the values below"},
                            {"value", result.found.quantiles, result.target.units, "the value"}},
                           {}}));
  return store_rows(writer, group, result);
}

} // namespace headscope::methods
