// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/attention/explained_head.h"

#include "app/gui/engine/explanation_job.h"

namespace headscope::gui {
namespace {
const QString lane = QStringLiteral("explain");
}

ExplainedHead::ExplainedHead(Workspace& workspace, QObject* parent) : QObject(parent), workspace_(workspace) {
  connect(&workspace, &Workspace::in_force_changed, this, [this] {
    all_.clear();
    head_.reset(); // until somebody looks again
    Q_EMIT changed();
  });
}

void ExplainedHead::look_at(std::optional<HeadId> head) {
  if (head && (!workspace_.live() || !workspace_.attention().changes(*head))) head.reset();
  if (head == head_) return;
  head_ = head;
  if (!all_.empty()) {
    all_.clear();
    Q_EMIT changed();
  }
  workspace_.engine().drop_lane(lane);
  if (head_) ask();
}

void ExplainedHead::ask() {
  const ExplanationRequest request{std::make_shared<const std::vector<std::int64_t>>(workspace_.prompt().ids()), *head_,
                                   workspace_.ablation().input()};
  using Found = std::vector<mechanisms::Explanation>;
  workspace_.engine().post<Found>(
      JobSpec::view(lane, tr("Asking what head %1 chose").arg(QString::fromStdString(head_name(*head_)))), this,
      [request](EngineState& state, const JobContext<Found>& job) { return explain_head(state, request, job.control); },
      {[this](Result<Found> found) {
        if (!found.ok()) {
          if (found.error().code != ErrorCode::unsupported)
            workspace_.report(tr("What the head chose is not known"), found.error());
          return;
        }
        all_ = std::move(*found);
        Q_EMIT changed();
      }});
}

} // namespace headscope::gui
