// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/corpus.h"

#include <algorithm>

#include "core/prompts/haystack.h"

namespace headscope {
namespace {

// Tokenizes a text to see whether the tokenizer begins it with BOS.
Result<bool> begins_with_bos(const Tokenizer& tokenizer) {
  if (!tokenizer.bos()) return false;
  HS_ASSIGN(const std::vector<std::int64_t> ids, tokenizer.encode("a", {true, true}));
  return !ids.empty() && ids.front() == *tokenizer.bos();
}

} // namespace

Result<Corpus> cut_corpus(const Tokenizer& tokenizer, const std::string& text, const CorpusOptions& options) {
  HS_ASSIGN(const std::vector<std::int64_t> ids, tokenizer.encode(text, {false, true}));
  if (ids.empty()) return make_error(ErrorCode::invalid_argument, "has no tokens", {}, "--corpus");
  Corpus corpus;
  corpus.length = options.length;
  if (options.bos) {
    HS_ASSIGN(const bool begins, begins_with_bos(tokenizer));
    corpus.added = begins ? 1 : 0;
  }
  const std::int64_t own = options.length - corpus.added, count = std::ssize(ids);
  if (own < 1) return make_error(ErrorCode::invalid_argument, "leaves no token beside the BOS", {}, "--length");
  for (std::int64_t begin = 0; begin < count; begin += own) {
    if (options.most_texts > 0 && std::ssize(corpus.texts) == options.most_texts) break;
    std::vector<std::int64_t>& one = corpus.texts.emplace_back();
    if (corpus.added > 0) one.push_back(*tokenizer.bos());
    one.insert(one.end(), ids.begin() + begin, ids.begin() + std::min(begin + own, count));
  }
  return corpus;
}

Result<Corpus> read_corpus(const Tokenizer& tokenizer, const std::string& path, std::int64_t n_ctx,
                           const CorpusOptions& options) {
  if (options.length > n_ctx)
    return make_error(ErrorCode::mismatch,
                      std::string("the model's context has ").append(std::to_string(n_ctx)).append(" tokens"), {},
                      "--length");
  auto text = load_haystack(path);
  if (!text.ok()) return make_error(text.error().code, text.error().message, text.error().file, "--corpus");
  return cut_corpus(tokenizer, *text, options);
}

} // namespace headscope
