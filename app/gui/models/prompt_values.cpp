// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/models/prompt_values.h"

namespace headscope::gui {
namespace {

bool as_typed(const PromptState& prompt) {
  return prompt.stored_id().empty() && prompt.tokens().size() == prompt.n_prompt();
}

std::string text_of(const PromptState& prompt) {
  if (as_typed(prompt)) return prompt.request().text;
  std::string text;
  for (const TokenInfo& token : prompt.tokens())
    text += token.text;
  return text;
}

} // namespace

std::map<std::string, std::string> prompt_values(const PromptState& prompt) {
  const PromptRequest& request = prompt.request();
  std::map<std::string, std::string> values = {{"prompt", text_of(prompt)}};
  if (as_typed(prompt) && request.chat) values["chat"] = "true";
  if (!as_typed(prompt) || !request.add_special) values["no_bos"] = "true";
  return values;
}

QString prompt_title(const PromptState& prompt, int most) {
  QString text = QString::fromStdString(text_of(prompt)).simplified();
  if (text.size() > most) text = text.left(most - 1) + QChar(0x2026);
  return QStringLiteral("“%1”").arg(text);
}

CommandModel command_model(const Workspace& workspace) {
  const auto& model = workspace.model();
  return model ? CommandModel{model->path, model->dtype, model->device, workspace.attention().plan()} : CommandModel{};
}

} // namespace headscope::gui
