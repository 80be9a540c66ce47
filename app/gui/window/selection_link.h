// SPDX-License-Identifier: GPL-3.0-or-later
// Windows that stand beside each other: the head and the tokens that are selected in one are selected in the others,
// where these have them. Can be switched off.
#pragma once

#include <vector>

#include <QObject>
#include <QPointer>

#include "app/gui/workspace/workspace.h"

namespace headscope::gui {

// The position in `to` of the token at that position of `from`: the one that begins at the same place of the text and
// is the same; unset where there is none. Tokens that are no text, such as BOS, belong to those at their position.
std::optional<int> same_token(const std::vector<TokenInfo>& from, int position, const std::vector<TokenInfo>& to);

class SelectionLink : public QObject {
  Q_OBJECT
public:
  void add(Workspace& workspace);
  bool on() const { return on_; }
  void set_on(bool on);
  // Whether there is more than one window left.
  bool links() const;

Q_SIGNALS:
  void changed(); // on(), or the windows

private:
  void follow_heads(const Workspace& leader);
  void follow_tokens(const Workspace& leader);

  std::vector<QPointer<Workspace>> workspaces_;
  bool on_ = true, busy_ = false;
};

} // namespace headscope::gui
