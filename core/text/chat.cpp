// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/jinja/jinja.h"
#include "core/text/tokenizer.h"
#include "core/text/unicode.h"

namespace headscope {

Result<std::string> render_chat(const Tokenizer& tokenizer, std::span<const ChatMessage> messages,
                                bool add_generation_prompt) {
  if (tokenizer.chat_template().empty()) {
    return make_error(ErrorCode::not_found, "the model has no chat template; give it plain text instead", "",
                      "chat_template");
  }
  if (messages.empty()) { // transformers refuses it too
    return make_error(ErrorCode::invalid_argument, "a conversation needs at least one message", "", "messages");
  }
  const auto located = [&](Error error) {
    error.file = tokenizer.chat_template_file();
    return error;
  };
  const auto chat = text::JinjaTemplate::parse(tokenizer.chat_template());
  if (!chat.ok()) return located(chat.error());
  text::JinjaVariables variables;
  text::JinjaValue list = text::JinjaValue::array();
  for (const ChatMessage& message : messages) {
    std::string role;
    std::string content;
    list.push_back(
        {{"role", text::valid_utf8(message.role, role)}, {"content", text::valid_utf8(message.content, content)}});
  }
  variables["messages"] = std::move(list);
  variables["tools"] = nullptr;
  variables["documents"] = nullptr;
  variables["add_generation_prompt"] = add_generation_prompt;
  const auto name_token = [&](const char* name, std::optional<std::int64_t> id) {
    if (id) variables[name] = tokenizer.text(*id);
  };
  name_token("bos_token", tokenizer.bos());
  name_token("eos_token", tokenizer.eos());
  name_token("unk_token", tokenizer.unk());
  name_token("pad_token", tokenizer.pad());
  auto rendered = chat->render(std::move(variables));
  if (!rendered.ok()) return located(rendered.error());
  return rendered;
}

} // namespace headscope
