// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/detectors/text_rows.h"

#include <algorithm>

#include "core/base/text_file.h"
#include "core/prompts/haystack.h"

namespace headscope {
namespace {

using Ids = std::vector<std::int64_t>;

// The tokens that the tokenizer puts before a prompt: a BOS, or nothing.
Result<Ids> beginning(const Tokenizer& tokenizer, bool bos) {
  if (!bos || !tokenizer.bos()) return Ids{};
  HS_ASSIGN(const Ids probe, tokenizer.encode("a"));
  return !probe.empty() && probe.front() == *tokenizer.bos() ? Ids{*tokenizer.bos()} : Ids{};
}

Result<Ids> tokens_of(const DetectorRun& run, std::uint64_t seed, std::size_t generated_bytes) {
  const std::string path = text_source(run).path;
  std::string text;
  if (path.empty()) {
    text = generated_haystack(seed, generated_bytes);
  } else {
    HS_ASSIGN(text, load_haystack(path));
  }
  return run.engine.model().tokenizer->encode(text, {false, false});
}

} // namespace

OptionSpec text_option() {
  OptionSpec spec{"text", std::string(), "a text file or folder for this detector alone; without: that of --haystack"};
  spec.file = true;
  return spec;
}

Status check_own_text(const OptionSet& options, const std::string& id) {
  const std::string& path = options.text("text");
  const Status there = path.empty() ? Status() : check_readable(path);
  if (there.ok()) return {};
  return at_option(make_error(there.error().code, there.error().message, path), id + ".text");
}

TextSource text_source(const DetectorRun& run) {
  const std::vector<OptionSpec>& specs = run.options.specs();
  const bool has_text = std::any_of(specs.begin(), specs.end(), [](const OptionSpec& s) { return s.name == "text"; });
  if (has_text && !run.options.text("text").empty()) return {run.options.text("text"), "text"};
  return {run.haystack, "haystack"};
}

Result<store::Attributes> text_findings(const DetectorRun& run) {
  const std::string path = text_source(run).path;
  if (path.empty()) return store::Attributes{};
  HS_ASSIGN(const std::string hash, haystack_sha256(path));
  return store::Attributes{{"text_sha256", hash}};
}

Result<std::vector<Ids>> text_rows(const DetectorRun& run, std::int64_t count, std::int64_t length, std::uint64_t seed,
                                   bool bos) {
  length = std::min(length, run.engine.config().n_ctx);
  HS_ASSIGN(const Ids ids, tokens_of(run, seed, static_cast<std::size_t>(length * count * 8)));
  HS_ASSIGN(const Ids begin, beginning(*run.engine.model().tokenizer, bos));
  const auto fresh = static_cast<std::size_t>(length) - begin.size();
  std::vector<Ids> rows;
  for (std::size_t at = 0; at + fresh <= ids.size() && rows.size() < static_cast<std::size_t>(count); at += fresh) {
    rows.push_back(begin);
    rows.back().insert(rows.back().end(), ids.begin() + static_cast<std::ptrdiff_t>(at),
                       ids.begin() + static_cast<std::ptrdiff_t>(at + fresh));
  }
  const TextSource source = text_source(run);
  if (rows.empty())
    return make_error(ErrorCode::invalid_argument,
                      "has " + std::to_string(ids.size()) + " tokens, one text needs " + std::to_string(fresh),
                      source.path, source.field);
  return rows;
}

Result<Ids> first_row(const DetectorRun& run, std::int64_t most, bool bos) {
  HS_ASSIGN(const Ids ids, tokens_of(run, 0, 0));
  HS_ASSIGN(Ids row, beginning(*run.engine.model().tokenizer, bos));
  const std::int64_t room = std::min(most, run.engine.config().n_ctx) - std::ssize(row);
  row.insert(row.end(), ids.begin(), ids.begin() + std::clamp<std::int64_t>(room, 0, std::ssize(ids)));
  return row;
}

} // namespace headscope
