// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/detectors/pattern_texts.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "plugins/detectors/stripes.h"
#include "plugins/detectors/text_rows.h"

namespace headscope {
namespace {

// The longest text that is not cut: patterns of longer ones take gigabytes.
constexpr std::int64_t most_uncut = 1024;

RepeatedTokens tokens_for(const DetectorRun& run) {
  RepeatedTokens spec;
  spec.batch = run.options.integer("batch");
  spec.n = run.options.integer("n");
  spec.seed = static_cast<std::uint64_t>(run.options.integer("seed"));
  const std::int64_t d_vocab = run.engine.config().d_vocab;
  spec.high = std::min(run.options.integer("high"), d_vocab);
  spec.low = run.options.integer("low");
  if (spec.high == d_vocab && d_vocab < 2 * spec.low) spec.low = 0;
  return spec;
}

Status check_length(const DetectorRun& run, std::int64_t length, const std::string& id) {
  if (length <= run.engine.config().n_ctx) return {};
  return make_error(ErrorCode::invalid_argument,
                    "makes a text of " + std::to_string(length) + " tokens, which passes the model's context of " +
                        std::to_string(run.engine.config().n_ctx),
                    {}, id + ".n");
}

Result<PatternTexts> random_texts(const DetectorRun& run, const std::string& id) {
  const RepeatedTokens spec = tokens_for(run);
  if (spec.low >= spec.high) return make_error(ErrorCode::invalid_argument, "must be less than high", {}, id + ".low");
  HS_TRY(check_length(run, 2 * spec.n, id));
  // Stores the bounds actually used, which a small vocabulary may lower.
  return PatternTexts{
      repeated_tokens(spec), spec.n, "random tokens written twice", {}, {{"low", spec.low}, {"high", spec.high}}};
}

at::Tensor stacked(const std::vector<std::vector<std::int64_t>>& rows) {
  std::vector<at::Tensor> tensors;
  tensors.reserve(rows.size());
  for (const auto& row : rows)
    tensors.push_back(at::tensor(row, at::kLong));
  return at::stack(tensors);
}

// Cuts the user's text into as many pieces as there are, at most `batch`.
Result<PatternTexts> own_texts(const DetectorRun& run, const std::string& id) {
  if (!run.engine.model().tokenizer)
    return make_error(ErrorCode::unsupported, "the model has no tokenizer to read text with", {}, id);
  PatternTexts texts;
  const bool twice = repeats(run.options), bos = run.options.text("bos") == "auto" && !twice;
  const std::int64_t n = run.options.integer("n"), batch = run.options.integer("batch");
  texts.what = "a text of the user's" + std::string(twice ? " written twice" : "");
  HS_ASSIGN(texts.findings, text_findings(run));
  if (!twice && !run.options.is_set("n")) {
    HS_ASSIGN(const auto row, first_row(run, most_uncut, bos));
    if (row.size() < 2)
      return make_error(ErrorCode::invalid_argument, "has fewer than two tokens", run.options.text("text"),
                        id + ".text");
    texts.tokens = stacked({row});
    return texts;
  }
  HS_TRY(check_length(run, twice ? 2 * n : n, id));
  HS_ASSIGN(auto rows, text_rows(run, batch, n, 0, bos));
  if (std::ssize(rows) < batch && run.options.is_set("batch"))
    texts.message = run.options.text("text") + " holds only " + std::to_string(rows.size()) + " texts of " +
                    std::to_string(n) + " tokens";
  texts.tokens = stacked(rows);
  if (twice) texts.tokens = at::cat({texts.tokens, texts.tokens}, 1);
  texts.n = twice ? n : 0;
  return texts;
}

} // namespace

void add_pattern_text_options(std::vector<OptionSpec>& options) {
  OptionSpec text{"text", std::string(), "a text file or folder of your own in place of random tokens"};
  text.file = true;
  const std::vector<OptionSpec> more = {
      {"batch", std::int64_t{10}, "number of texts", {}, 1},
      {"n", std::int64_t{50}, "random tokens in a text, or tokens of yours, before they repeat", {}, 2},
      {"low", std::int64_t{1000}, "smallest token id drawn (0 where the vocabulary ends before twice that)", {}, 0},
      {"high", std::int64_t{9999}, "one more than the largest token id drawn", {}, 1},
      {"seed", std::int64_t{0}, "of torch's CPU generator", {}, 0},
      text,
      {"repeat", true,
       "of text: each piece of n tokens twice; off: as it stands, and whole (1,024 tokens at most) without n"},
      {"bos",
       std::string("auto"),
       "of text with repeat=off: begin it as the tokenizer begins a prompt",
       {"auto", "off"}},
  };
  options.insert(options.end(), more.begin(), more.end());
}

bool repeats(const OptionSet& options) { return options.text("text").empty() || options.flag("repeat"); }

Status check_pattern_texts(const OptionSet& options, const std::string& id) {
  if (!options.text("text").empty()) return check_own_text(options, id);
  for (const char* name : {"repeat", "bos"})
    if (options.is_set(name))
      return make_error(ErrorCode::invalid_argument, "is of a text of your own; give " + id + ".text=FILE too", {},
                        id + "." + name);
  return {};
}

Result<PatternTexts> pattern_texts(const DetectorRun& run, const std::string& id) {
  return run.options.text("text").empty() ? random_texts(run, id) : own_texts(run, id);
}

} // namespace headscope
