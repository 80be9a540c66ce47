// SPDX-License-Identifier: GPL-3.0-or-later
// The worker thread: newest wins, cancel, dropped answers, gone receivers, closing in the middle.

#include <atomic>
#include <chrono>

#include "app/gui/work/worker.h"
#include "tests/gui/patience.h"

namespace headscope::gui {
namespace {

struct Counter {
  std::atomic<int> runs = 0;
};
using CounterWorker = Worker<Counter>;

// Runs until it is cancelled.
Result<int> endless(const RunControl& control) {
  for (int i = 0;; ++i) {
    if (control.cancel.cancelled()) return make_error(ErrorCode::cancelled, "cancelled");
    control.report("waiting", i, 1000000);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

} // namespace

class WorkTest : public QObject {
  Q_OBJECT
private Q_SLOTS:
  void answers_arrive_on_the_interface_thread_in_order() {
    auto state = std::make_shared<Counter>();
    CounterWorker worker(QStringLiteral("test"), state);
    std::vector<int> answers;
    for (int i = 0; i < 20; ++i)
      worker.post<int>({{}, {}}, this,
                       [i](Counter& c, const JobContext<int>&) { return Result<int>(i + 100 * (c.runs++)); },
                       {[&](const Result<int>& answer) {
                         QCOMPARE(QThread::currentThread(), thread());
                         answers.push_back(*answer);
                       }});
    QVERIFY(!worker.idle());
    QTRY_VERIFY(worker.idle());
    QCOMPARE(answers.size(), 20U);
    for (int i = 0; i < 20; ++i)
      QCOMPARE(answers[static_cast<std::size_t>(i)], 101 * i);
  }

  void the_newest_of_a_lane_wins() {
    CounterWorker worker(QStringLiteral("test"), std::make_shared<Counter>());
    int old_answers = 0, partials = 0, newest = 0;
    for (int i = 0; i < 50; ++i)
      worker.post<int>({QStringLiteral("lane"), {}}, this,
                       [](Counter&, const JobContext<int>& job) {
                         job.partial(1);
                         return endless(job.control);
                       },
                       {[&](const Result<int>&) { ++old_answers; }, [&](int) { ++partials; }});
    QTRY_VERIFY(partials > 0); // one of them is running now
    partials = 0;
    worker.post<int>({QStringLiteral("lane"), {}}, this,
                     [](Counter&, const JobContext<int>&) { return Result<int>(7); },
                     {[&](const Result<int>& answer) { newest = *answer; }});
    QTRY_COMPARE(newest, 7);
    QTRY_VERIFY(worker.idle());
    QCOMPARE(old_answers, 0);
    QCOMPARE(partials, 0);
  }

  void other_lanes_are_left_alone() {
    CounterWorker worker(QStringLiteral("test"), std::make_shared<Counter>());
    int answers = 0;
    for (const char* lane : {"a", "b", "c"})
      worker.post<int>({QString::fromLatin1(lane), {}}, this,
                       [](Counter&, const JobContext<int>&) { return Result<int>(1); },
                       {[&](const Result<int>&) { ++answers; }});
    QTRY_COMPARE(answers, 3);
  }

  void a_cancelled_job_still_answers() {
    CounterWorker worker(QStringLiteral("test"), std::make_shared<Counter>());
    std::optional<ErrorCode> code;
    const JobId id = worker.post<int>({QStringLiteral("long"), QStringLiteral("Waiting")}, this,
                                      [](Counter&, const JobContext<int>& job) { return endless(job.control); },
                                      {[&](const Result<int>& answer) { code = answer.error().code; }});
    QTRY_VERIFY(!worker.jobs().empty() && worker.jobs().front().done > 3);
    QCOMPARE(worker.jobs().front().spec.title, QStringLiteral("Waiting"));
    worker.cancel(id);
    QTRY_VERIFY(code.has_value());
    QCOMPARE(*code, ErrorCode::cancelled);
  }

  void a_waiting_job_that_is_cancelled_never_runs() {
    auto state = std::make_shared<Counter>();
    CounterWorker worker(QStringLiteral("test"), state);
    const JobId first =
        worker.post<int>({{}, {}}, this, [](Counter&, const JobContext<int>& job) { return endless(job.control); }, {});
    const JobId second =
        worker.post<int>({{}, {}}, this, [](Counter& c, const JobContext<int>&) { return Result<int>(++c.runs); }, {});
    worker.cancel(second);
    worker.cancel(first);
    QTRY_VERIFY(worker.idle());
    QCOMPARE(state->runs.load(), 0);
  }

  void the_most_urgent_comes_first() {
    CounterWorker worker(QStringLiteral("test"), std::make_shared<Counter>());
    std::vector<int> order;
    const auto post = [&](int name, Urgency urgency) {
      worker.post<int>({{}, {}, urgency}, this, [name](Counter&, const JobContext<int>&) { return Result<int>(name); },
                       {[&](const Result<int>& answer) { order.push_back(*answer); }});
    };
    const JobId first =
        worker.post<int>({{}, {}}, this, [](Counter&, const JobContext<int>& job) { return endless(job.control); }, {});
    QTRY_VERIFY(worker.jobs().front().running);
    post(1, Urgency::idle);
    post(2, Urgency::visible);
    post(3, Urgency::lengthy);
    post(4, Urgency::asked);
    post(5, Urgency::visible);
    worker.cancel(first);
    QTRY_VERIFY(worker.idle());
    QCOMPARE(order, (std::vector{4, 2, 5, 3, 1}));
  }

  void what_follows_the_screen_begins_again_after_a_click() {
    auto state = std::make_shared<Counter>();
    CounterWorker worker(QStringLiteral("test"), state);
    std::vector<int> order;
    worker.post<int>(JobSpec::view(QStringLiteral("view"), {}), this,
                     [](Counter& c, const JobContext<int>& job) {
                       return ++c.runs == 1 ? endless(job.control) : Result<int>(c.runs.load());
                     },
                     {[&](const Result<int>& answer) { order.push_back(*answer); }});
    QTRY_VERIFY(state->runs == 1);
    worker.post<int>({{}, {}}, this, [](Counter&, const JobContext<int>&) { return Result<int>(100); },
                     {[&](const Result<int>& answer) { order.push_back(*answer); }});
    QTRY_VERIFY(worker.idle());
    QCOMPARE(order, (std::vector{100, 2})); // the click's answer first, and the view's once
  }

  void a_lengthy_job_stands_still_for_others_and_goes_on() {
    auto state = std::make_shared<Counter>();
    CounterWorker worker(QStringLiteral("test"), state);
    std::vector<int> order;
    const JobId lengthy = worker.post<int>(JobSpec::lengthy(QStringLiteral("sweep"), {}), this,
                                           [](Counter& c, const JobContext<int>& job) {
                                             ++c.runs;
                                             return endless(job.control);
                                           },
                                           {[&](const Result<int>& answer) {
                                             QCOMPARE(answer.error().code, ErrorCode::cancelled);
                                             order.push_back(3);
                                           }});
    QTRY_VERIFY(!worker.jobs().empty() && worker.jobs().front().done > 3);
    worker.post<int>(JobSpec::view(QStringLiteral("view"), {}), this,
                     [](Counter&, const JobContext<int>&) { return Result<int>(1); },
                     {[&](const Result<int>& answer) { order.push_back(*answer); }});
    worker.post<int>({{}, {}}, this, [](Counter&, const JobContext<int>&) { return Result<int>(2); },
                     {[&](const Result<int>& answer) { order.push_back(*answer); }});
    QTRY_COMPARE(order.size(), 2U);
    const std::int64_t done = worker.jobs().front().done;
    QTRY_VERIFY(worker.jobs().front().done > done + 3);
    worker.cancel(lengthy);
    QTRY_COMPARE(order.size(), 3U);
    QCOMPARE(order.back(), 3);
    QCOMPARE(state->runs.load(), 1); // it went on, and did not begin again
  }

  void a_job_that_stands_still_can_be_cancelled() {
    CounterWorker worker(QStringLiteral("test"), std::make_shared<Counter>());
    std::atomic<bool> other_runs = false;
    std::optional<ErrorCode> code;
    const JobId lengthy = worker.post<int>(JobSpec::lengthy({}, {}), this,
                                           [](Counter&, const JobContext<int>& job) { return endless(job.control); },
                                           {[&](const Result<int>& answer) { code = answer.error().code; }});
    QTRY_VERIFY(worker.jobs().front().done > 3);
    const JobId other = worker.post<int>({{}, {}}, this,
                                         [&](Counter&, const JobContext<int>& job) {
                                           other_runs = true;
                                           return endless(job.control);
                                         },
                                         {});
    QTRY_VERIFY(other_runs);
    worker.cancel(lengthy);
    worker.cancel(other);
    QTRY_VERIFY(worker.idle());
    QCOMPARE(code, ErrorCode::cancelled);
  }

  void what_follows_is_dropped_when_something_else_is_in_force() {
    auto state = std::make_shared<Counter>();
    CounterWorker worker(QStringLiteral("test"), state);
    std::vector<int> order;
    const auto post = [&](int name, Urgency urgency) {
      worker.post<int>({{}, {}, urgency}, this, [name](Counter&, const JobContext<int>&) { return Result<int>(name); },
                       {[&](const Result<int>& answer) { order.push_back(*answer); }});
    };
    worker.post<int>(JobSpec::view({}, {}), this,
                     [](Counter& c, const JobContext<int>& job) {
                       ++c.runs;
                       return endless(job.control);
                     },
                     {[&](const Result<int>&) { order.push_back(-1); }});
    QTRY_VERIFY(state->runs == 1);
    post(1, Urgency::visible);
    post(2, Urgency::idle);
    post(3, Urgency::lengthy);
    worker.drop_followers();
    QTRY_VERIFY(worker.idle());
    QCOMPARE(order, std::vector{3});
  }

  void jobs_say_what_they_are_about() {
    CounterWorker worker(QStringLiteral("test"), std::make_shared<Counter>());
    worker.set_subject(QStringLiteral("the first prompt"));
    const JobId first =
        worker.post<int>({{}, {}}, this, [](Counter&, const JobContext<int>& job) { return endless(job.control); }, {});
    worker.set_subject(QStringLiteral("the second"));
    worker.post<int>({{}, {}}, this, [](Counter&, const JobContext<int>&) { return Result<int>(1); }, {});
    QCOMPARE(worker.jobs()[0].spec.subject, QStringLiteral("the first prompt"));
    QCOMPARE(worker.jobs()[1].spec.subject, QStringLiteral("the second"));
    worker.cancel(first);
    QTRY_VERIFY(worker.idle());
  }

  void a_receiver_may_be_gone() {
    CounterWorker worker(QStringLiteral("test"), std::make_shared<Counter>());
    int answers = 0;
    auto receiver = std::make_unique<QObject>();
    worker.post<int>({{}, {}}, receiver.get(), [](Counter&, const JobContext<int>&) { return Result<int>(1); },
                     {[&](const Result<int>&) { ++answers; }});
    receiver.reset();
    QTRY_VERIFY(worker.idle());
    QCOMPARE(answers, 0);
  }

  void closing_in_the_middle_ends_the_job() {
    auto worker = std::make_unique<CounterWorker>(QStringLiteral("test"), std::make_shared<Counter>());
    int answers = 0;
    worker->post<int>({{}, {}}, this, [](Counter&, const JobContext<int>& job) { return endless(job.control); },
                      {[&](const Result<int>&) { ++answers; }});
    QTRY_VERIFY(!worker->jobs().empty() && worker->jobs().front().running);
    worker.reset(); // joins
    QCoreApplication::processEvents();
    QCOMPARE(answers, 0);
  }

  void an_exception_ends_the_job_and_nothing_else() {
    CounterWorker worker(QStringLiteral("test"), std::make_shared<Counter>());
    int answers = 0;
    worker.post<int>({{}, {}}, this,
                     [](Counter&, const JobContext<int>&) -> Result<int> { throw std::runtime_error("a defect"); },
                     {[&](const Result<int>& answer) {
                       QCOMPARE(answer.error().code, ErrorCode::internal);
                       ++answers;
                     }});
    worker.post<int>({{}, {}}, this, [](Counter&, const JobContext<int>&) { return Result<int>(1); },
                     {[&](const Result<int>&) { ++answers; }});
    QTRY_COMPARE(answers, 2);
  }
};

} // namespace headscope::gui

QTEST_GUILESS_MAIN(headscope::gui::WorkTest)
#include "work_test.moc"
