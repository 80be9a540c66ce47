// SPDX-License-Identifier: GPL-3.0-or-later
// The answer and the wrong answer that the user has typed: one pair for all views that measure a difference.
#pragma once

#include <string>

#include <QObject>

namespace headscope::gui {

class AnswerState : public QObject {
  Q_OBJECT
public:
  using QObject::QObject;

  // Each is one token of text with its leading space; empty: what the view takes by itself.
  struct Pair {
    std::string answer, wrong;
    friend bool operator==(const Pair&, const Pair&) = default;
  };
  const Pair& pair() const { return pair_; }
  void set(Pair pair) {
    if (pair == pair_) return;
    pair_ = std::move(pair);
    Q_EMIT changed();
  }

Q_SIGNALS:
  void changed();

private:
  Pair pair_;
};

} // namespace headscope::gui
