// SPDX-License-Identifier: GPL-3.0-or-later
// One thread and the jobs that wait for it. The interface thread posts and never waits; what a job has to say is
// run on the interface thread. In a lane the newest job wins: an older one that waits is dropped, one that runs is
// cancelled, and its answer is never delivered.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <QElapsedTimer>
#include <QObject>
#include <QString>
#include <QTimer>

#include "core/base/task.h"

namespace headscope::gui {

using JobId = quint64;

struct JobSpec {
  QString lane;  // jobs that replace each other, e.g. "attention"; empty: replaces nothing
  QString title; // for the user, e.g. "Ablating heads"
};

struct JobStatus {
  JobId id = 0;
  JobSpec spec;
  bool running = false;
  QString stage; // as the work reports it
  std::int64_t done = 0, total = 0;
  double seconds = 0.0;       // since it began
  double seconds_left = -1.0; // -1: unknown
};

class JobQueue : public QObject {
  Q_OBJECT
public:
  using Delivery = std::function<void()>;
  using Post = std::function<void(Delivery)>; // runs a delivery on the interface thread, if the job is still wanted
  using Work = std::function<Delivery(const TaskContext&, const Post&)>; // returns its last delivery

  explicit JobQueue(const QString& name, QObject* parent = nullptr);
  ~JobQueue() override; // cancels everything and waits for the running job to stop

  JobId enqueue(const JobSpec& spec, Work work);
  // The running job is asked to stop and still delivers what it has; a waiting one is dropped.
  void cancel(JobId id);
  void cancel_all();
  // As if a newer job had come: nothing of the lane will be delivered.
  void drop_lane(const QString& lane);

  bool idle() const { return jobs_.empty(); }
  bool busy(const QString& lane) const;
  std::vector<JobStatus> jobs() const; // oldest first

Q_SIGNALS:
  void changed(); // jobs() is different; progress at most ten times a second

private:
  struct Job;
  using JobPointer = std::shared_ptr<Job>;

  void run();
  void run_one(const JobPointer& job);
  void deliver(JobId id, const Delivery& delivery, bool last);
  void forget(JobId id);
  void remember_progress();

  std::map<JobId, JobPointer> jobs_; // interface thread only: waiting or running and still wanted
  JobId next_ = 1;
  QTimer ticker_;

  std::mutex mutex_; // of what follows
  std::condition_variable wake_;
  std::deque<JobPointer> waiting_;
  JobPointer running_;
  bool stop_ = false;
  std::thread thread_; // last: starts when all else is there
};

} // namespace headscope::gui
