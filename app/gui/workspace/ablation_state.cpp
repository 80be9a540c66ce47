// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/workspace/ablation_state.h"

#include <algorithm>

namespace headscope::gui {

class AblationStep : public QUndoCommand {
public:
  AblationStep(AblationState& state, AblationState::Value before, AblationState::Value after, const QString& what)
      : QUndoCommand(what), state_(state), before_(std::move(before)), after_(std::move(after)) {}
  void undo() override { state_.apply(before_); }
  void redo() override { state_.apply(after_); }

private:
  AblationState& state_;
  AblationState::Value before_, after_;
};

const AblatedHead* AblationState::find(HeadId head) const {
  const auto found = std::find_if(heads_.begin(), heads_.end(), [&](const AblatedHead& a) { return a.head == head; });
  return found == heads_.end() ? nullptr : &*found;
}

void AblationState::set_method(AblationMethod how, Phase when) {
  Value next{heads_, how, when};
  for (AblatedHead& head : next.heads) {
    head.how = how;
    head.when = when;
  }
  push(std::move(next), tr("change of method"));
}

void AblationState::toggle(HeadId head) {
  std::vector<AblatedHead> heads = heads_;
  const bool was_out = std::erase_if(heads, [&](const AblatedHead& a) { return a.head == head; }) > 0;
  if (!was_out) heads.push_back({head, how_, when_});
  const QString label = QString::fromStdString(head_name(head));
  set_heads(std::move(heads), was_out ? tr("put back %1").arg(label) : tr("ablate %1").arg(label));
}

void AblationState::set_heads(std::vector<AblatedHead> heads, const QString& what) {
  std::sort(heads.begin(), heads.end(), [](const AblatedHead& a, const AblatedHead& b) { return a.head < b.head; });
  push({std::move(heads), how_, when_}, what);
}

void AblationState::clear() { set_heads({}, tr("put back all heads")); }

void AblationState::set_reference(std::vector<std::string> texts) {
  if (texts == reference_) return;
  const AblationInput before = input();
  reference_ = std::move(texts);
  if (!(input() == before)) Q_EMIT changed();
}

AblationInput AblationState::input() const {
  const bool takes_texts = std::any_of(heads_.begin(), heads_.end(), [](const AblatedHead& head) {
    return head.how == AblationMethod::mean || head.how == AblationMethod::resample;
  });
  return {heads_, takes_texts ? reference_ : std::vector<std::string>(), 0};
}

void AblationState::push(Value next, const QString& what) {
  Value before{heads_, how_, when_};
  if (next == before) return;
  undo_.push(new AblationStep(*this, std::move(before), std::move(next), what)); // applies it
}

void AblationState::apply(const Value& value) {
  heads_ = value.heads;
  how_ = value.how;
  when_ = value.when;
  Q_EMIT changed();
}

} // namespace headscope::gui
