// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/context/context_run.h"

#include <algorithm>

#include "core/mechanisms/comparison.h"

namespace headscope::methods {
namespace {

using contexts::ContextManager;
using contexts::ManagedRun;
using contexts::Segment;
using mechanisms::TextRun;

using Ids = std::vector<std::int64_t>;
using Manager = std::shared_ptr<const ContextManager>;

// The text with the needle in the middle of a segment, and the question and answer as one more segment that asks.
struct Asked {
  Ids ids;
  std::vector<Segment> segments;
  std::int64_t segment = 0;
};

Asked with_needle(const ContextTask& task, double depth) {
  const NeedleTask& needle = task.needle;
  const std::int64_t tokens = std::ssize(task.ids);
  Asked asked;
  asked.segments = contexts::segments_of(tokens, task.segment);
  const std::int64_t count = std::ssize(asked.segments);
  asked.segment = std::min(static_cast<std::int64_t>(depth * static_cast<double>(count)), count - 1);
  const Segment& holds = asked.segments[static_cast<std::size_t>(asked.segment)];
  const std::int64_t room = holds.end - holds.begin - std::ssize(needle.needle);
  const std::int64_t at = holds.begin + std::max<std::int64_t>(room / 2, 1); // not before a BOS
  asked.ids.assign(task.ids.begin(), task.ids.begin() + at);
  asked.ids.insert(asked.ids.end(), needle.needle.begin(), needle.needle.end());
  asked.ids.insert(asked.ids.end(), task.ids.begin() + at, task.ids.end());
  asked.ids.resize(static_cast<std::size_t>(tokens));
  asked.ids.insert(asked.ids.end(), needle.question.begin(), needle.question.end());
  asked.ids.insert(asked.ids.end(), needle.answer.begin(), needle.answer.end());
  asked.segments.push_back({tokens, std::ssize(asked.ids), needle.question});
  return asked;
}

// The place of a segment among those recalled, from 1.
std::optional<std::int64_t> rank_of(const std::vector<double>& recall, std::int64_t segment) {
  const auto [least, most] = std::minmax_element(recall.begin(), recall.end());
  if (recall.empty() || *least == *most) return std::nullopt;
  const double own = recall[static_cast<std::size_t>(segment)];
  return 1 + std::count_if(recall.begin(), recall.end(), [&](double each) { return each > own; });
}

Error at_segment(Error error) {
  if (error.field == "segment") error.field = "--segment";
  return error;
}

class Runner {
public:
  Runner(const Engine& engine, const ContextTask& task, const Context& context)
      : engine_(engine), task_(task), control_(context.control()),
        segments_(contexts::segments_of(std::ssize(task.ids), task.segment)) {
    total_ = (1 + std::ssize(task.needle.depths)) * (std::ssize(task.managers) + 2);
  }

  std::int64_t segments() const { return std::ssize(segments_); }
  bool fits(std::int64_t tokens) const { return tokens <= engine_.longest_text(); }

  Status run_whole(std::optional<ManagedResult>& out) {
    if (!fits(std::ssize(task_.ids))) return {};
    step();
    HS_ASSIGN(whole_, at_once(task_.ids));
    ManagedResult result;
    result.manager = "whole";
    result.seconds = whole_->seconds;
    result.tokens_read = std::ssize(task_.ids);
    HS_TRY(add_losses(result, *whole_));
    for (const double depth : task_.needle.depths) {
      const Asked asked = with_needle(task_, depth);
      if (!fits(std::ssize(asked.ids))) break;
      step();
      HS_ASSIGN(const TextRun run, at_once(asked.ids));
      HS_ASSIGN(const double nll, answer_loss(asked, run));
      result.needles.push_back({depth, asked.segment, std::nullopt, nll});
    }
    out = std::move(result);
    return {};
  }

  Result<ManagedResult> run(const std::string& spec, const ContextManager& manager) {
    ManagedResult result;
    result.manager = spec;
    step();
    HS_ASSIGN(const ManagedRun run, read(manager, task_.ids, segments_));
    result.seconds = run.seconds;
    result.tokens_read = run.tokens_read;
    result.surprise = run.surprise;
    for (const std::vector<double>& row : run.recall) {
      result.recall.insert(result.recall.end(), row.begin(), row.end());
      result.recall.insert(result.recall.end(), segments_.size() - row.size(), 0.0);
    }
    HS_TRY(add_losses(result, TextRun{run.resid, run.seconds}));
    for (const double depth : task_.needle.depths) {
      step();
      const Asked asked = with_needle(task_, depth);
      HS_ASSIGN(const ManagedRun found, read(manager, asked.ids, asked.segments));
      HS_ASSIGN(const double nll, answer_loss(asked, TextRun{found.resid, 0.0}));
      result.needles.push_back({depth, asked.segment, rank_of(found.recall.back(), asked.segment), nll});
    }
    return result;
  }

private:
  void step() { control_.report("reading in segments", done_++, total_); }

  Result<ManagedRun> read(const ContextManager& manager, const Ids& ids, const std::vector<Segment>& segments) const {
    auto run = contexts::read_in_segments(engine_, manager, ids, segments, {control_.cancel, {}});
    if (!run.ok()) return at_segment(run.error());
    return run;
  }

  Result<TextRun> at_once(const Ids& ids) const {
    return mechanisms::run_text(engine_, ids, &engine_.attention(), control_);
  }

  Status add_losses(ManagedResult& result, const TextRun& run) const {
    HS_ASSIGN(const auto found,
              mechanisms::compare_predictions(engine_, task_.ids, whole_ ? *whole_ : run, run, task_.skip, control_));
    result.nll = found.nll;
    if (whole_) result.kl = found.kl;
    return {};
  }

  Result<double> answer_loss(const Asked& asked, const TextRun& run) const {
    return mechanisms::loss_of_last(engine_, asked.ids, run, std::ssize(task_.needle.answer), control_);
  }

  const Engine& engine_;
  const ContextTask& task_;
  RunControl control_;
  std::vector<Segment> segments_;
  std::optional<TextRun> whole_;
  std::int64_t done_ = 0, total_ = 0;
};

} // namespace

Result<ManagedTexts> run_managers(const Engine& engine, const ContextTask& task, const Context& context) {
  std::vector<Manager> managers; // all are read before the first of them runs
  for (const std::string& spec : task.managers) {
    auto manager = contexts::parse_manager(spec);
    if (!manager.ok()) return make_error(manager.error().code, manager.error().to_string(), {}, "--manager");
    managers.push_back(std::move(*manager));
  }
  HS_ASSIGN(const Manager alone, contexts::parse_manager("alone"));
  Runner runner(engine, task, context);
  ManagedTexts out;
  out.tokens = std::ssize(task.ids);
  out.segment = task.segment;
  out.skip = task.skip;
  out.segments = runner.segments();
  const auto all = [&]() -> Status {
    HS_TRY(runner.run_whole(out.whole));
    HS_ASSIGN(out.alone, runner.run("alone", *alone));
    for (std::size_t i = 0; i < managers.size(); ++i) {
      HS_ASSIGN(ManagedResult result, runner.run(task.managers[i], *managers[i]));
      out.managers.push_back(std::move(result));
    }
    return {};
  };
  const Status status = all();
  context.finish_progress();
  if (!status.ok() && status.error().code != ErrorCode::cancelled) return status.error();
  out.complete = status.ok();
  return out;
}

} // namespace headscope::methods
