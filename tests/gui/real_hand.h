// SPDX-License-Identifier: GPL-3.0-or-later
// A user's hand and eyes: mouse and keys as the X server sends them (xdotool), from a thread beside the window's own.
// What is on the screen, and where, is asked of the program; nothing waits for a time.
#pragma once

#include <atomic>
#include <cstdio>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <type_traits>

#include <QApplication>
#include <QMenu>
#include <QPointer>
#include <QThread>
#include <QWidget>

namespace headscope::gui::test {

// Runs f in the interface thread, also while a dialog waits there, and returns what it returns or throws.
template <class F> std::invoke_result_t<F> in_window(F f) {
  using R = std::invoke_result_t<F>;
  if (QThread::currentThread() == qApp->thread()) return f();
  std::exception_ptr thrown;
  const auto guarded = [&](auto&& run) {
    QMetaObject::invokeMethod(
        qApp,
        [&] {
          try {
            run();
          } catch (...) {
            thrown = std::current_exception();
          }
        },
        Qt::BlockingQueuedConnection);
    if (thrown) std::rethrow_exception(thrown);
  };
  if constexpr (std::is_void_v<R>) {
    guarded(f);
  } else {
    std::optional<R> answer;
    guarded([&] { answer.emplace(f()); });
    return std::move(*answer);
  }
}

// Waits for minutes if need be, and looks in the interface thread.
void until(const char* what, const std::function<bool()>& ready);

// Ends the test.
inline void must(bool holds, const QString& what) {
  if (!holds) throw std::runtime_error(what.toStdString());
}

class RealHand : public QObject {
public:
  RealHand();
  ~RealHand() override;

  // A press of a button counts, whatever it is for: a double click is two, a drag is one.
  int clicks() const { return clicks_; }
  void forget_clicks() { clicks_ = 0; }

  // Clicks where the widget says, once that is on the screen with nothing over it, and waits until it has the event.
  using Place = std::function<QPoint()>;
  void click(QWidget& widget, const Place& at, int button = 1);
  void click(QWidget& widget);
  void double_click(QWidget& widget, const Place& at);
  void click_action(const QString& beginning); // of the menu that is open
  // A drag from another program's window: where on the screen, and one click for all of it.
  void button_down(QPoint place);
  void move(QPoint place);
  void button_up();
  // Keys of xdotool ("ctrl+z"), and text; each is waited for until a window of this program has it.
  void key(const char* name);
  void keys(const char* name, int times);
  void type(const QString& text);
  // Until that holds; again where something else, such as a list of completions that has just come up, took the key.
  void key_until(const char* name, const std::function<bool()>& holds);

protected:
  bool eventFilter(QObject* object, QEvent* event) override;

private:
  void send(const QString& line);
  void press(QWidget& widget, const Place& at, int button, int times);
  void wait_for(const char* what, const std::atomic<int>& count, int wanted);

  FILE* tool_;
  int clicks_ = 0;
  std::atomic<int> presses_ = 0, releases_ = 0, keys_ = 0;
  QPointer<QWidget> pressed_; // interface thread only: that had the last press
};

} // namespace headscope::gui::test
