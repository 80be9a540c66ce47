// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/workspace/prompt_state.h"

namespace headscope::gui {

std::vector<std::int64_t> PromptState::ids() const {
  std::vector<std::int64_t> ids;
  for (const TokenInfo& token : tokens_)
    ids.push_back(token.id);
  return ids;
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
