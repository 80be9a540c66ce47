// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/compare/survival.h"

#include <algorithm>
#include <limits>

namespace headscope::methods {
namespace {

bool names(const DetectorResult& result, HeadId head) {
  return std::find(result.heads.begin(), result.heads.end(), head) != result.heads.end();
}

double score(const DetectorResult& result, HeadId head) {
  const std::size_t at = result.index(head.layer, head.head);
  return at < result.scores.size() ? result.scores[at] : std::numeric_limits<double>::quiet_NaN();
}

Survival compare(const DetectorOutcome& full, const DetectorOutcome& own) {
  Survival out;
  out.detector = full.id;
  if (!full.result || !own.result) {
    out.skipped = full.result ? own.skipped : full.skipped;
    return out;
  }
  const auto add = [&](HeadId head) {
    out.heads.push_back({head, score(*full.result, head), score(*own.result, head), names(*full.result, head),
                         names(*own.result, head)});
  };
  for (const HeadId head : full.result->heads)
    add(head);
  for (const HeadId head : own.result->heads)
    if (!names(*full.result, head)) add(head);
  return out;
}

} // namespace

std::int64_t Survival::named_by_full() const {
  return std::count_if(heads.begin(), heads.end(), [](const Head& each) { return each.named_by_full; });
}
std::int64_t Survival::kept() const {
  return std::count_if(heads.begin(), heads.end(), [](const Head& each) { return each.named_by_full && each.named; });
}
std::int64_t Survival::added() const { return std::ssize(heads) - named_by_full(); }

std::vector<Survival> survival(const DetectorOutcomes& full, const DetectorOutcomes& own) {
  std::vector<Survival> out;
  for (const DetectorOutcome& each : full.list) {
    const auto found =
        std::find_if(own.list.begin(), own.list.end(), [&](const auto& other) { return other.id == each.id; });
    out.push_back(found == own.list.end() ? Survival{each.id, "not run", {}} : compare(each, *found));
  }
  return out;
}

Result<DetectorOutcomes> detect_under(const std::vector<DetectorPlan>& detectors, const Engine& engine,
                                      std::shared_ptr<const AttentionBackend> attention, const Context& context) {
  // The model is the caller's, who keeps it.
  const std::shared_ptr<const Model> model(std::shared_ptr<void>(), &engine.model());
  const Engine other(model, std::move(attention));
  HS_ASSIGN(DetectorOutcomes outcomes, run_detectors(detectors, other, "", context, nullptr));
  if (outcomes.failed && outcomes.list.empty()) return *outcomes.failed;
  if (!outcomes.complete) return make_error(ErrorCode::cancelled, "interrupted");
  return outcomes;
}

} // namespace headscope::methods
