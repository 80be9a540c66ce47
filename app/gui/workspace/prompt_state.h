// SPDX-License-Identifier: GPL-3.0-or-later
// The text that all views look at: a live prompt with what was generated after it, or a prompt of a result file.
#pragma once

#include <string>
#include <vector>

#include <QObject>

#include "app/gui/engine/model_job.h"
#include "app/gui/engine/values.h"

namespace headscope::gui {

class PromptState : public QObject {
  Q_OBJECT
public:
  using QObject::QObject;

  const PromptRequest& request() const { return request_; }
  // Of the prompt, then of what was generated.
  const std::vector<TokenInfo>& tokens() const { return tokens_; }
  std::size_t n_prompt() const { return n_prompt_; } // how many of them are the prompt's
  // The prompt's id in the result file that it comes from; empty: it is live.
  const std::string& stored_id() const { return stored_id_; }
  std::vector<std::int64_t> ids() const;
  QString beginning() const; // of its text, in one short line

  void set_live(PromptRequest request, std::vector<TokenInfo> tokens);
  void set_generated(std::vector<TokenInfo> tokens); // replaces what was generated before
  void set_stored(const std::string& id, const std::string& text, std::vector<TokenInfo> tokens);

Q_SIGNALS:
  void changed();

private:
  PromptRequest request_;
  std::vector<TokenInfo> tokens_;
  std::size_t n_prompt_ = 0;
  std::string stored_id_;
};

} // namespace headscope::gui
