// SPDX-License-Identifier: GPL-3.0-or-later
// One thread and the jobs that wait for it. The interface thread posts and never waits; what a job has to say is
// run on the interface thread. In a lane the newest job wins: an older one that waits is dropped, one that runs is
// cancelled, and its answer is never delivered. The most urgent job runs first, and one that is running gives way to
// it: it is begun again afterwards, or stands still in the middle while the other runs, as its specification says.
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

#include "core/base/run_control.h"

namespace headscope::gui {

using JobId = quint64;

// Who waits for a job's answer; the first comes first.
enum class Urgency : quint8 {
  asked,   // the user, who has just clicked or typed
  visible, // a view on the screen, which follows what is in force
  lengthy, // the user, who has started something that takes its time
  idle     // nobody yet
};

// What a running job does when a more urgent one comes.
enum class GiveWay : quint8 {
  never,
  again, // is cancelled, and begins again when the other is done
  stand  // stands still before its next layer or report of progress, holding nothing of the thread's state but the
         // engine
};

struct JobSpec {
  QString lane;  // jobs that replace each other, e.g. "attention"; empty: replaces nothing
  QString title; // for the user, e.g. "Ablating heads"
  Urgency urgency = Urgency::asked;
  GiveWay give_way = GiveWay::never;
  QString subject = {}; // what it is about, for the user; empty: what the queue was told last

  static JobSpec view(const QString& lane, const QString& title) {
    return {lane, title, Urgency::visible, GiveWay::again};
  }
  static JobSpec lengthy(const QString& lane, const QString& title) {
    return {lane, title, Urgency::lengthy, GiveWay::stand};
  }
  static JobSpec idle(const QString& lane, const QString& title) {
    return {lane, title, Urgency::idle, GiveWay::stand};
  }
};

struct JobStatus {
  JobId id = 0;
  JobSpec spec;
  bool running = false; // or standing still for a more urgent one
  QString stage;        // as the work reports it
  std::int64_t done = 0, total = 0;
  double seconds = 0.0;       // since it began
  double seconds_left = -1.0; // -1: unknown
};

class JobQueue : public QObject {
  Q_OBJECT
public:
  using Delivery = std::function<void()>;
  using Post = std::function<void(Delivery)>; // runs a delivery on the interface thread, if the job is still wanted
  struct Answer {
    Delivery delivery;    // the last one
    bool stopped = false; // by its cancel token, so that it can be begun again
  };
  using Work = std::function<Answer(const RunControl&, const Post&)>; // may be called more than once

  explicit JobQueue(const QString& name, QObject* parent = nullptr);
  ~JobQueue() override; // cancels everything and waits for the running job to stop

  JobId enqueue(const JobSpec& spec, Work work);
  // The running job is asked to stop and still delivers what it has; a waiting one is dropped.
  void cancel(JobId id);
  void cancel_all();
  // As if a newer job had come: nothing of the lane will be delivered.
  void drop_lane(const QString& lane);
  // The same of all jobs that follow what is in force (visible and idle ones), when it is something else now.
  void drop_followers();
  // What jobs that come from now on are about, e.g. the beginning of the prompt.
  void set_subject(const QString& subject) { subject_ = subject; }

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
  // The most urgent one that waits and is more urgent than this; null: there is none. `answered`: the job before was
  // asked for.
  JobPointer take_next(Urgency below, bool answered);
  JobPointer take_any();
  void wait_for_a_question(std::unique_lock<std::mutex>& lock);
  void let_others_run(const Job& job);
  void drop(const std::function<bool(const JobSpec&)>& which);
  void deliver(JobId id, const Delivery& delivery, bool last);
  void forget(JobId id);

  std::map<JobId, JobPointer> jobs_; // interface thread only: waiting or running and still wanted
  JobId next_ = 1;
  QString subject_;
  QTimer ticker_;

  std::mutex mutex_; // of what follows
  std::condition_variable wake_;
  std::deque<JobPointer> waiting_;  // in order of arrival
  std::vector<JobPointer> running_; // the last one runs, those before stand still
  bool stop_ = false;
  std::thread thread_; // last: starts when all else is there
};

} // namespace headscope::gui
