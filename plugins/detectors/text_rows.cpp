// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/detectors/text_rows.h"

#include <algorithm>

#include "core/prompts/haystack.h"

namespace headscope {

Result<std::vector<std::vector<std::int64_t>>> text_rows(const DetectorRun& run, std::int64_t count,
                                                         std::int64_t length, std::uint64_t seed, bool bos) {
  const Tokenizer& tokenizer = *run.engine.model().tokenizer;
  length = std::min(length, run.engine.config().n_ctx);
  std::string text;
  if (run.haystack.empty()) {
    text = generated_haystack(seed, static_cast<std::size_t>(length * count * 8));
  } else {
    HS_ASSIGN(text, load_haystack(run.haystack));
  }
  std::vector<std::int64_t> begin;
  if (bos && tokenizer.bos()) {
    HS_ASSIGN(const auto probe, tokenizer.encode("a"));
    if (!probe.empty() && probe.front() == *tokenizer.bos()) begin = {*tokenizer.bos()};
  }
  HS_ASSIGN(const auto ids, tokenizer.encode(text, {false, false}));
  const auto fresh = static_cast<std::size_t>(length) - begin.size();
  std::vector<std::vector<std::int64_t>> rows;
  for (std::size_t at = 0; at + fresh <= ids.size() && rows.size() < static_cast<std::size_t>(count); at += fresh) {
    rows.push_back(begin);
    rows.back().insert(rows.back().end(), ids.begin() + static_cast<std::ptrdiff_t>(at),
                       ids.begin() + static_cast<std::ptrdiff_t>(at + fresh));
  }
  if (rows.empty())
    return make_error(ErrorCode::invalid_argument,
                      "has " + std::to_string(ids.size()) + " tokens, one text needs " + std::to_string(fresh),
                      run.haystack, "haystack");
  return rows;
}

} // namespace headscope
