// SPDX-License-Identifier: GPL-3.0-or-later
// The heads that are ablated at the moment; every change can be undone.
#pragma once

#include <vector>

#include <QObject>
#include <QUndoStack>

#include "app/gui/engine/ablation_input.h"

namespace headscope::gui {

class AblationState : public QObject {
  Q_OBJECT
public:
  explicit AblationState(QUndoStack& undo, QObject* parent = nullptr) : QObject(parent), undo_(undo) {}

  const std::vector<AblatedHead>& heads() const { return heads_; } // by layer and head
  const AblatedHead* find(HeadId head) const;
  // How the next head is ablated.
  AblationMethod how() const { return how_; }
  Phase when() const { return when_; }
  // Changes the heads that are out already too.
  void set_method(AblationMethod how, Phase when);

  void toggle(HeadId head);
  void set_heads(std::vector<AblatedHead> heads, const QString& what); // `what` names the step, for Undo
  void clear();

  // The texts that mean and resample take activations from.
  const std::vector<std::string>& reference() const { return reference_; }
  void set_reference(std::vector<std::string> texts);
  // All that a run needs; without the texts where no head takes them.
  AblationInput input() const;

Q_SIGNALS:
  void changed();

private:
  friend class AblationStep;
  struct Value {
    std::vector<AblatedHead> heads;
    AblationMethod how = AblationMethod::zero;
    Phase when = Phase::both;
    friend bool operator==(const Value&, const Value&) = default;
  };
  void push(Value next, const QString& what);
  void apply(const Value& value);

  QUndoStack& undo_;
  std::vector<AblatedHead> heads_;
  std::vector<std::string> reference_;
  AblationMethod how_ = AblationMethod::zero;
  Phase when_ = Phase::both;
};

} // namespace headscope::gui
