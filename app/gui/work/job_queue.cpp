// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/work/job_queue.h"

#include <algorithm>
#include <atomic>
#include <chrono>

namespace headscope::gui {
namespace {

// A view that has an answer often asks for the next part of it, as maps do for tile after tile. Work that would have
// to be cancelled for that waits this long for it.
constexpr std::chrono::milliseconds between_questions{60};

constexpr auto is_asked = [](const auto& job) { return job->spec.urgency == Urgency::asked; };

} // namespace

struct JobQueue::Job {
  JobId id = 0;
  JobSpec spec;
  Work work;
  CancelToken cancel;   // of the user, or of a newer job
  CancelToken this_run; // of the run under way; another one each time that it begins
  bool again = false;   // it was stopped for a more urgent one; guarded by the queue's mutex
  std::mutex mutex;     // of the progress
  Progress progress;
  std::atomic<bool> running = false;
  QElapsedTimer clock; // set before `running`

  void stop() const {
    cancel.cancel();
    this_run.cancel();
  }
};

JobQueue::JobQueue(const QString& name, QObject* parent) : QObject(parent) {
  setObjectName(name);
  ticker_.setInterval(100);
  connect(&ticker_, &QTimer::timeout, this, &JobQueue::changed);
  thread_ = std::thread([this] { run(); });
}

JobQueue::~JobQueue() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    waiting_.clear();
    for (const JobPointer& job : running_)
      job->stop();
  }
  wake_.notify_all();
  thread_.join();
}

JobId JobQueue::enqueue(const JobSpec& spec, Work work) {
  if (!spec.lane.isEmpty()) drop_lane(spec.lane);
  auto job = std::make_shared<Job>();
  job->id = next_++;
  job->spec = spec;
  job->work = std::move(work);
  if (job->spec.subject.isEmpty()) job->spec.subject = subject_;
  jobs_[job->id] = job;
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(job);
    const JobPointer running = running_.empty() ? nullptr : running_.back();
    if (running && spec.urgency < running->spec.urgency && running->spec.give_way == GiveWay::again) {
      running->again = true;
      running->this_run.cancel();
    }
  }
  wake_.notify_one();
  ticker_.start();
  Q_EMIT changed();
  return job->id;
}

void JobQueue::cancel(JobId id) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return;
  const std::lock_guard lock(mutex_);
  found->second->stop();
  const auto waits = std::find(waiting_.begin(), waiting_.end(), found->second);
  if (waits == waiting_.end()) return;
  waiting_.erase(waits);
  QMetaObject::invokeMethod(
      this, [this, id] { forget(id); }, Qt::QueuedConnection);
}

void JobQueue::cancel_all() {
  for (const JobStatus& job : jobs())
    cancel(job.id);
}

void JobQueue::drop(const std::function<bool(const JobSpec&)>& which) {
  std::vector<JobId> old;
  for (const auto& [id, job] : jobs_)
    if (which(job->spec)) old.push_back(id);
  for (const JobId id : old) {
    cancel(id);
    forget(id);
  }
}

void JobQueue::drop_lane(const QString& lane) {
  drop([&](const JobSpec& spec) { return spec.lane == lane; });
}

void JobQueue::drop_followers() {
  drop([](const JobSpec& spec) { return spec.urgency == Urgency::visible || spec.urgency == Urgency::idle; });
}

bool JobQueue::busy(const QString& lane) const {
  return std::any_of(jobs_.begin(), jobs_.end(), [&](const auto& entry) { return entry.second->spec.lane == lane; });
}

std::vector<JobStatus> JobQueue::jobs() const {
  std::vector<JobStatus> list;
  for (const auto& [id, job] : jobs_) {
    JobStatus status{id, job->spec, job->running, {}, 0, 0, 0.0, -1.0};
    if (status.running) {
      const std::lock_guard lock(job->mutex);
      status.stage = QString::fromStdString(job->progress.stage);
      status.done = job->progress.done;
      status.total = job->progress.total;
      status.seconds = static_cast<double>(job->clock.elapsed()) / 1000.0;
      if (status.total > 0 && status.done > 0 && status.seconds > 0.5)
        status.seconds_left =
            status.seconds * static_cast<double>(status.total - status.done) / static_cast<double>(status.done);
    }
    list.push_back(status);
  }
  return list;
}

void JobQueue::forget(JobId id) {
  if (jobs_.erase(id) == 0) return;
  if (jobs_.empty()) ticker_.stop();
  Q_EMIT changed();
}

void JobQueue::deliver(JobId id, const Delivery& delivery, bool last) {
  if (jobs_.count(id) == 0) return; // a newer job has taken its place
  if (last) forget(id);             // first, so that the delivery may ask whether anything is still under way
  if (delivery) delivery();
}

// ---- On the thread

JobQueue::JobPointer JobQueue::take_any() {
  const auto first = std::min_element(waiting_.begin(), waiting_.end(), [](const JobPointer& a, const JobPointer& b) {
    return a->spec.urgency < b->spec.urgency;
  });
  if (first == waiting_.end()) return nullptr;
  JobPointer job = *first;
  waiting_.erase(first);
  running_.push_back(job);
  return job;
}

void JobQueue::wait_for_a_question(std::unique_lock<std::mutex>& lock) {
  wake_.wait_for(lock, between_questions,
                 [&] { return stop_ || std::any_of(waiting_.begin(), waiting_.end(), is_asked); });
}

JobQueue::JobPointer JobQueue::take_next(Urgency below, bool answered) {
  std::unique_lock lock(mutex_);
  if (answered) wait_for_a_question(lock);
  const bool more_urgent =
      std::any_of(waiting_.begin(), waiting_.end(), [&](const JobPointer& job) { return job->spec.urgency < below; });
  return more_urgent && !stop_ ? take_any() : nullptr;
}

void JobQueue::run() {
  bool answered = false; // somebody has just been given what was asked for
  for (;;) {
    JobPointer job;
    {
      std::unique_lock lock(mutex_);
      if (answered) wait_for_a_question(lock);
      wake_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
      if (stop_) return;
      job = take_any();
      answered = is_asked(job);
    }
    run_one(job);
  }
}

void JobQueue::let_others_run(const Job& job) {
  if (job.spec.give_way != GiveWay::stand) return;
  bool answered = false;
  while (const JobPointer other = take_next(job.spec.urgency, answered)) {
    answered = is_asked(other);
    run_one(other);
  }
}

void JobQueue::run_one(const JobPointer& job) {
  RunControl control;
  {
    const std::lock_guard lock(mutex_);
    job->again = false;
    job->this_run = {};
    control.cancel = job->this_run;
    if (job->cancel.cancelled()) control.cancel.cancel();
  }
  // Not on threads of the work's own, which report and ask whether they are cancelled too.
  const auto give_way = [this, job = job.get(), thread = std::this_thread::get_id()] {
    if (std::this_thread::get_id() == thread) let_others_run(*job);
  };
  control.cancel.on_pause(give_way);
  job->clock.start();
  job->running = true;
  control.progress = [job, give_way](const Progress& progress) {
    {
      const std::lock_guard lock(job->mutex);
      job->progress = progress;
    }
    give_way();
  };
  const JobId id = job->id;
  const auto post = [this, id](bool last) {
    return [this, id, last](Delivery delivery) {
      QMetaObject::invokeMethod(
          this, [this, id, last, delivery = std::move(delivery)] { deliver(id, delivery, last); },
          Qt::QueuedConnection);
    };
  };
  Answer answer = job->work(control, post(false));
  {
    const std::lock_guard lock(mutex_);
    running_.pop_back();
    if (answer.stopped && job->again && !job->cancel.cancelled() && !stop_) {
      job->running = false;
      waiting_.push_front(job); // before those of its urgency: it came earlier
      return;
    }
  }
  job->work = {}; // frees what it holds before the answer is seen
  post(true)(std::move(answer.delivery));
}

} // namespace headscope::gui
