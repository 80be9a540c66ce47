// SPDX-License-Identifier: GPL-3.0-or-later
// A job queue whose thread owns a state that nobody else touches: the engine, or the result files.
#pragma once

#include <exception>
#include <memory>
#include <utility>

#include <QPointer>

#include "app/gui/work/job_queue.h"
#include "core/base/result.h"

namespace headscope::gui {

// What a job that gives a T is handed on its thread.
template <class T> struct JobContext {
  RunControl control;
  std::function<void(T)> partial; // what is known so far; may be empty
};

// The edge for exceptions is the work itself; one that comes out of it is a defect, and must not end the program.
template <class T, class Call> Result<T> guarded_call(const Call& call) {
  try {
    return call();
  } catch (const std::exception& error) {
    return make_error(ErrorCode::internal, error.what());
  }
}

// State may be an incomplete type where jobs are posted.
template <class State> class Worker : public JobQueue {
public:
  Worker(const QString& name, std::shared_ptr<State> state, QObject* parent = nullptr)
      : JobQueue(name, parent), state_(std::move(state)) {}

  // What the work of jobs that are posted from now on runs under: called on the thread before it, and what it returns
  // goes after it. A job that stands still is under its own again when it goes on.
  using Around = std::function<std::shared_ptr<void>(State&)>;
  void set_around(Around around) { around_ = std::move(around); }

  template <class T> struct Handlers {
    std::function<void(Result<T>)> done; // once, unless the job is dropped or the receiver is gone
    std::function<void(T)> partial = {}; // as often as the job posts
  };

  // Work runs on the thread, the handlers on the interface thread. Work of a job that gives way by beginning again is
  // called more than once.
  template <class T>
  JobId post(const JobSpec& spec, QObject* receiver, std::function<Result<T>(State&, const JobContext<T>&)> work,
             Handlers<T> handlers) {
    const QPointer<QObject> alive(receiver);
    auto shared = std::make_shared<Handlers<T>>(std::move(handlers));
    return enqueue(spec,
                   [state = state_, around = around_, alive, shared,
                    work = std::move(work)](const RunControl& control, const Post& post_delivery) -> Answer {
                     JobContext<T> context{control, {}};
                     if (shared->partial)
                       context.partial = [alive, shared, post_delivery](T value) {
                         post_delivery([alive, shared, value = std::make_shared<T>(std::move(value))] {
                           if (alive) shared->partial(std::move(*value));
                         });
                       };
                     auto answer = std::make_shared<Result<T>>(guarded_call<T>([&] {
                       const std::shared_ptr<void> held = around ? around(*state) : nullptr;
                       return work(*state, context);
                     }));
                     const bool stopped = !answer->ok() && answer->error().code == ErrorCode::cancelled;
                     return {[alive, shared, answer] {
                               if (alive && shared->done) shared->done(std::move(*answer));
                             },
                             stopped};
                   });
  }

private:
  std::shared_ptr<State> state_;
  Around around_;
};

struct EngineState; // app/gui/engine/engine_state.h
using EngineWorker = Worker<EngineState>;
struct FileState; // app/gui/files/file_state.h
using FileWorker = Worker<FileState>;

} // namespace headscope::gui
