// SPDX-License-Identifier: GPL-3.0-or-later
// The whole window on an X server with a window manager, and a user of it in a thread of its own, for tests that do
// what people come to do, and count the clicks that it takes.
#pragma once

#include <memory>

#include <QAbstractButton>
#include <QDockWidget>
#include <QLineEdit>
#include <QTabBar>
#include <QTemporaryDir>

#include <gtest/gtest.h>

#include "app/gui/window/main_window.h"
#include "tests/gui/event_stall.h"
#include "tests/gui/real_hand.h"

namespace headscope::gui::test {

class RealTask : public ::testing::Test {
protected:
  RealTask();
  ~RealTask() override;
  void TearDown() override;

  // A new window, as the program opens it, as large as the screen; with the session of `session` where that is named.
  void open_window(const QString& session = {});
  void close_window();
  MainWindow& window() { return *window_; }
  Workspace& workspace() { return window_->workspace(); }
  RealHand& hand() { return *hand_; }
  template <class T> T& the_view(const char* id) {
    return in_window(
        [&]() -> std::reference_wrapper<T> { return dynamic_cast<T&>(*window_->view(QString::fromLatin1(id))); });
  }

  // What a user does in more than one task; clicks are counted.
  enum class By : std::uint8_t { click, keys };
  void open_by_dialog(const QString& path, By by);           // by Ctrl+O, or the button of the start screen
  void open_model(const QString& folder, By by = By::click); // and waits for it
  void paste(const QString& text);                           // where the keyboard is
  void type_prompt(const QString& text);                     // the field has the keyboard already
  void go_to_tab(const char* view, bool and_settle = true);
  void export_view(const QString& folder, const QString& name); // by Ctrl+E
  void click_button(QWidget& in, const QString& text);
  void choose(QWidget& combo, const QString& beginning);
  void settle(); // until nothing runs and what is on the screen will not change by itself

  template <class W> W* find(QWidget& in, const std::function<bool(W&)>& fits) {
    W* found = nullptr;
    until(W::staticMetaObject.className(), [&] {
      for (W* each : in.findChildren<W*>())
        if (each->isVisible() && fits(*each)) found = each;
      return found != nullptr;
    });
    return found;
  }
  template <class W> W* find_named(QWidget& in, const char* accessible_name) {
    return find<W>(in, [&](W& each) { return each.accessibleName() == QLatin1String(accessible_name); });
  }

  // Prints what the task took, and holds it to that many clicks, to the longest stall where limits of time count, and
  // to views that fit.
  void expect_clicks(int most);
  void expect_no_scrolling(); // of views that are on the screen

  QString file(const QString& name) const { return folder_.filePath(name); }
  static QString planted_model(); // a folder; the same for all tests of the program
  static QString tiny_model();    // another one

private:
  QTemporaryDir folder_;
  std::unique_ptr<RealHand> hand_;
  std::unique_ptr<MainWindow> window_;
  std::unique_ptr<EventStall> stall_;
};

double font_scale(); // that the tests are run with

} // namespace headscope::gui::test
