// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/query_prompt.h"

#include <sstream>

namespace headscope {
namespace {

constexpr const char* gap = "\n\n";
constexpr const char* instruction =
    "Please find information that are relevant to the following query in the paragraphs above.";

std::string joined(const std::vector<std::string>& words, std::size_t begin, std::size_t end) {
  std::string text;
  for (std::size_t i = begin; i < end; ++i)
    text.append(text.empty() ? "" : " ").append(words[i]);
  return text;
}

constexpr Named<QueryRows> query_rows[] = {
    {QueryRows::prompt, "prompt", "from the instruction before the query to the end of the prompt"},
    {QueryRows::query, "query", "the query's own tokens"},
};

} // namespace

template <> std::span<const Named<QueryRows>> names_of<QueryRows>() { return query_rows; }

Result<Paragraphs> make_paragraphs(const std::string& text, const std::vector<Needle>& needles, std::size_t asked,
                                   std::size_t count, std::size_t words, std::size_t place) {
  std::vector<std::string> all;
  std::istringstream stream(text);
  for (std::string word; all.size() < count * words && stream >> word;)
    all.push_back(word);
  if (all.size() < count * words)
    return make_error(ErrorCode::invalid_argument,
                      "has " + std::to_string(all.size()) + " words, " + std::to_string(count) + " paragraphs need " +
                          std::to_string(count * words),
                      {}, "haystack");
  if (needles.size() > count)
    return make_error(ErrorCode::invalid_argument, "must be at least the number of needles", {}, "qrhead.documents");
  std::vector<const Needle*> inside(count, nullptr);
  Paragraphs out;
  for (std::size_t i = 0; i < needles.size(); ++i) {
    const std::size_t at = (place + i * count / needles.size()) % count;
    inside[at] = &needles[(asked + i) % needles.size()];
    if (i == 0) out.gold = at;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t begin = i * words, middle = begin + words / 2;
    std::string paragraph = joined(all, begin, middle);
    if (inside[i]) paragraph.append(" ").append(inside[i]->needle);
    out.texts.push_back(paragraph.append(" ").append(joined(all, middle, begin + words)));
  }
  out.query = needles[asked].question;
  return out;
}

Result<QueryPrompt> make_query_prompt(const Tokenizer& tokenizer, const Paragraphs& paragraphs,
                                      const std::string& query, bool chat, QueryRows rows) {
  std::string text = "Here are some paragraphs:";
  std::vector<std::string> documents;
  for (std::size_t i = 0; i < paragraphs.texts.size(); ++i) {
    std::string document = "[";
    document.append(std::to_string(i + 1)).append("] ").append(paragraphs.texts[i]);
    text.append(gap).append(document);
    documents.push_back(std::move(document));
  }
  text.append(gap).append(instruction).append(gap).append("Query: ").append(query);
  QueryPrompt prompt;
  prompt.text = text;
  if (chat) {
    const std::vector<ChatMessage> messages = {{"user", text}};
    HS_ASSIGN(prompt.text, render_chat(tokenizer, messages, true));
  }
  HS_ASSIGN(prompt.ids, tokenizer.encode(prompt.text, {!chat, true}));
  HS_ASSIGN(const auto offsets, token_offsets(tokenizer, prompt.text, prompt.ids));
  std::size_t at = 0;
  for (const std::string& document : documents) {
    at = prompt.text.find(document, at);
    if (at == std::string::npos)
      return make_error(ErrorCode::mismatch, "the chat template changes the paragraphs", {}, "qrhead.chat");
    prompt.documents.push_back(tokens_over(offsets, at, at + document.size()));
    at += document.size();
  }
  const std::size_t asked = prompt.text.find(instruction, at), begin = prompt.text.find("Query: ", asked) + 7;
  prompt.rows = rows == QueryRows::prompt ? tokens_over(offsets, asked, prompt.text.size())
                                          : tokens_over(offsets, begin, begin + query.size());
  if (rows == QueryRows::prompt) prompt.rows.end = static_cast<std::int64_t>(prompt.ids.size());
  return prompt;
}

} // namespace headscope
