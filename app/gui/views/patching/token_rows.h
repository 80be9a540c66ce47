// SPDX-License-Identifier: GPL-3.0-or-later
// Shows two prompts as two rows of tokens, aligned by position, with differing tokens marked.
#pragma once

#include <optional>
#include <vector>

#include <QScrollArea>

#include "app/gui/engine/values.h"

namespace headscope::gui {

class TokenRows : public QScrollArea {
  Q_OBJECT
public:
  explicit TokenRows(QWidget* parent = nullptr);

  void set_tokens(const std::vector<TokenInfo>& clean, const std::vector<TokenInfo>& corrupt);
  void set_current(std::optional<int> position);
  // Positions at which the rows differ, including those that only the longer row has.
  const std::vector<int>& differing() const { return differing_; }

Q_SIGNALS:
  void position_clicked(int position);

protected:
  void changeEvent(QEvent* event) override;

private:
  class Strip;
  Strip* strip_;
  std::vector<int> differing_;
};

} // namespace headscope::gui
