// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/workspace/prompt_state.h"

namespace headscope::gui {

std::vector<std::int64_t> PromptState::ids() const {
  std::vector<std::int64_t> ids;
  for (const TokenInfo& token : tokens_)
    ids.push_back(token.id);
  return ids;
}

QString PromptState::beginning() const {
  constexpr int most = 40;
  const QString text = QString::fromStdString(request_.text.substr(0, 4 * most)).simplified();
  return text.size() > most ? text.left(most - 1) + QChar(0x2026) : text;
}

void PromptState::set_live(PromptRequest request, std::vector<TokenInfo> tokens) {
  request_ = std::move(request);
  tokens_ = std::move(tokens);
  n_prompt_ = tokens_.size();
  stored_id_.clear();
  Q_EMIT changed();
}

void PromptState::set_generated(std::vector<TokenInfo> tokens) {
  tokens_.resize(n_prompt_);
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  Q_EMIT changed();
}

void PromptState::set_stored(const std::string& id, const std::string& text, std::vector<TokenInfo> tokens) {
  request_ = {};
  request_.text = text;
  tokens_ = std::move(tokens);
  n_prompt_ = tokens_.size();
  stored_id_ = id;
  Q_EMIT changed();
}

} // namespace headscope::gui
