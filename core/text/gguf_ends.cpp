// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/gguf_ends.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace headscope::text {

namespace {

constexpr std::array<std::string_view, 21> end_texts = {"<|eot_id|>",
                                                        "<|im_end|>",
                                                        "<|end|>",
                                                        "<|return|>",
                                                        "<|call|>",
                                                        "<|flush|>",
                                                        "<|calls|>",
                                                        "<end_of_turn>",
                                                        "<|endoftext|>",
                                                        "<|eom_id|>",
                                                        "<EOT>",
                                                        "_<EOT>",
                                                        "[EOT]",
                                                        "[EOS]",
                                                        "<|end_of_text|>",
                                                        "<end_of_utterance>",
                                                        "<eos>",
                                                        "<turn|>",
                                                        "<|tool_response>",
                                                        "[e~[",
                                                        "<\xEF\xBD\x9C"
                                                        "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>"};

// Padding, repository and file marks of code models.
constexpr std::array<std::string_view, 11> code_texts = {"<|fim_pad|>", "<fim-pad>",    "<fim_pad>",     "<PAD>",
                                                         "[PAD]",       "<|fim_repo|>", "<|repo_name|>", "<fim-repo>",
                                                         "<REPO>",      "<reponame>",   "<|file_sep|>"};

template <std::size_t N> bool is_one_of(const std::array<std::string_view, N>& texts, std::string_view text) {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

} // namespace

std::vector<std::int64_t> gguf_ends(const GgufTokenizerData& data) {
  constexpr std::int32_t control = 3;
  std::set<std::int64_t> ends;
  std::map<std::string_view, std::int64_t> found;
  for (const auto& id : {data.eos, data.eot, data.eom})
    if (id) ends.insert(*id);
  for (const std::int64_t id : data.further_ends)
    if (id >= 0 && id < static_cast<std::int64_t>(data.tokens.size())) ends.insert(id);
  for (std::size_t i = 0; i < data.tokens.size(); ++i) {
    const std::string_view text = data.tokens[i];
    if (text.empty() || (text.front() != '<' && text.front() != '[' && text.front() != '_')) continue;
    // "</s>" is also a tag of HTML and as such plain text of some vocabularies.
    const bool closes = text == "</s>" && i < data.types.size() && data.types[i] == control;
    if (!closes && !is_one_of(end_texts, text) && !is_one_of(code_texts, text)) continue;
    ends.insert(static_cast<std::int64_t>(i));
    found[text] = static_cast<std::int64_t>(i);
  }
  const auto drop = [&](const char* text, bool when) {
    if (when && found.contains(text)) ends.erase(found[text]);
  };
  // In these two "<|end|>" ends a message, not the turn.
  drop("<|end|>", (found.contains("<|return|>") && found.contains("<|call|>")) ||
                      (found.contains("<|calls|>") && found.contains("<|flush|>")));
  drop("</s>", found.contains("<|tool_response>"));
  return {ends.begin(), ends.end()};
}

} // namespace headscope::text
