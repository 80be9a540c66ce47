// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/retrieval_prompt.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace headscope {
namespace {

constexpr TokenizeOptions plain{false, false};

bool is_full_stop(const Tokenizer& tokenizer, std::int64_t token) {
  std::string text = tokenizer.text(token);
  while (!text.empty() && text.front() == ' ')
    text.erase(0, 1);
  return text == ".";
}

Result<std::vector<std::int64_t>> encode_prompt(const Tokenizer& tokenizer, const std::string& text, bool chat) {
  if (!chat) return tokenizer.encode(text);
  const std::vector<ChatMessage> messages = {{"user", text}};
  HS_ASSIGN(const std::string rendered, render_chat(tokenizer, messages, true));
  return tokenizer.encode(rendered, {false, true});
}

std::optional<Span> find_exactly(const std::vector<std::int64_t>& prompt, const std::vector<std::int64_t>& needle) {
  const auto at = std::search(prompt.begin(), prompt.end(), needle.begin(), needle.end());
  if (at == prompt.end()) return std::nullopt;
  const std::int64_t begin = at - prompt.begin();
  return Span{begin, begin + std::ssize(needle)};
}

// Byte-level tokenizers split a needle after a space differently from one at the beginning: where one of the two
// spellings is in the prompt, that is the needle. Otherwise, as where a chat template or a merge changes an edge, the
// first window that is near enough is taken; it often begins a token early where 0.9 allows that, so it is tried last.
Result<RetrievalPrompt> locate(RetrievalPrompt prompt, const Tokenizer& tokenizer, const std::string& real_needle) {
  std::vector<std::vector<std::int64_t>> spellings;
  for (const std::string& text : {real_needle, " " + real_needle}) {
    HS_ASSIGN(auto ids, tokenizer.encode(text, plain));
    if (!ids.empty()) spellings.push_back(std::move(ids));
  }
  for (const auto& find : {find_exactly, find_needle})
    for (const std::vector<std::int64_t>& ids : spellings)
      if (const auto span = find(prompt.ids, ids)) {
        prompt.needle_ids = ids;
        prompt.span = *span;
        return prompt;
      }
  return make_error(ErrorCode::mismatch, "the needle's tokens are not in the prompt's: '" + real_needle + "'", {},
                    "needle");
}

} // namespace

bool uses_chat(const Tokenizer& tokenizer, const std::string& chat) {
  return chat == "on" || (chat == "auto" && !tokenizer.chat_template().empty());
}

std::vector<std::int64_t> spread(std::int64_t first, std::int64_t last, std::int64_t count) {
  std::vector<std::int64_t> values;
  for (std::int64_t i = 0; i < count; ++i) {
    const double step = count == 1 ? 0.0 : static_cast<double>(last - first) / static_cast<double>(count - 1);
    values.push_back(
        static_cast<std::int64_t>(std::nearbyint(static_cast<double>(first) + step * static_cast<double>(i))));
  }
  return values;
}

std::vector<std::int64_t> insert_needle(const std::vector<std::int64_t>& context,
                                        const std::vector<std::int64_t>& needle, std::int64_t depth,
                                        const std::vector<bool>& ends_sentence) {
  std::size_t at = context.size();
  if (depth < 100) {
    at = static_cast<std::size_t>(static_cast<double>(context.size()) * (static_cast<double>(depth) / 100.0));
    while (at > 0 && !ends_sentence[at - 1])
      --at;
  }
  std::vector<std::int64_t> out(context.begin(), context.begin() + static_cast<std::ptrdiff_t>(at));
  out.insert(out.end(), needle.begin(), needle.end());
  out.insert(out.end(), context.begin() + static_cast<std::ptrdiff_t>(at), context.end());
  return out;
}

std::optional<Span> find_needle(const std::vector<std::int64_t>& prompt, const std::vector<std::int64_t>& needle) {
  const std::set<std::int64_t> wanted(needle.begin(), needle.end());
  for (std::size_t begin = 0; begin < prompt.size(); ++begin) {
    const std::size_t end = std::min(begin + needle.size(), prompt.size());
    std::set<std::int64_t> found;
    for (std::size_t i = begin; i < end; ++i)
      if (wanted.count(prompt[i]) != 0) found.insert(prompt[i]);
    if (static_cast<double>(found.size()) / static_cast<double>(wanted.size()) > 0.9)
      return Span{static_cast<std::int64_t>(begin), static_cast<std::int64_t>(begin + needle.size())};
  }
  return std::nullopt;
}

Result<RetrievalPrompt> make_retrieval_prompt(const Tokenizer& tokenizer, const std::vector<std::int64_t>& haystack,
                                              const Needle& needle, const RetrievalPromptOptions& options) {
  HS_ASSIGN(const auto needle_tokens, tokenizer.encode(" " + needle.needle, plain));
  const std::int64_t room = options.length - options.reserve - static_cast<std::int64_t>(needle_tokens.size());
  if (room < 1)
    return make_error(ErrorCode::invalid_argument,
                      "a length of " + std::to_string(options.length) + " tokens has no room for " +
                          std::to_string(options.reserve) + " reserved ones and the needle",
                      {}, "retrieval.length_min");
  if (room > static_cast<std::int64_t>(haystack.size()))
    return make_error(ErrorCode::invalid_argument,
                      "has " + std::to_string(haystack.size()) + " tokens, a length of " +
                          std::to_string(options.length) + " needs " + std::to_string(room),
                      {}, "haystack");
  const std::vector<std::int64_t> context(haystack.begin(), haystack.begin() + room);
  std::vector<bool> ends_sentence;
  for (const std::int64_t token : context)
    ends_sentence.push_back(is_full_stop(tokenizer, token));
  const auto filled = insert_needle(context, needle_tokens, options.depth, ends_sentence);
  RetrievalPrompt prompt;
  prompt.text =
      tokenizer.decode(filled) + "\n\nBased on the text above, answer the question.\nQuestion: " + needle.question;
  if (!options.chat) prompt.text += "\nAnswer:";
  HS_ASSIGN(prompt.ids, encode_prompt(tokenizer, prompt.text, options.chat));
  return locate(std::move(prompt), tokenizer, needle.real_needle);
}

} // namespace headscope
