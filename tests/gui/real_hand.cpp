// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/gui/real_hand.h"

#include <chrono>
#include <thread>

#include <QKeyEvent>
#include <QMouseEvent>
#include <QWindow>

#include "tests/gui/patience.h"

namespace headscope::gui::test {
namespace {

constexpr std::chrono::milliseconds look_again{4};

bool is_modifier(int key) {
  return key == Qt::Key_Shift || key == Qt::Key_Control || key == Qt::Key_Alt || key == Qt::Key_Meta ||
         key == Qt::Key_AltGr;
}

// Where it is on the screen; nothing while it is not there, or covered.
std::optional<QPoint> place_of(const QWidget& widget, const QPoint& at) {
  if (!widget.isVisible() || !widget.isEnabled() || !widget.visibleRegion().contains(at)) return std::nullopt;
  const QPoint place = widget.mapToGlobal(at);
  const QWidget* there = QApplication::widgetAt(place);
  return there && (there == &widget || widget.isAncestorOf(there)) ? std::optional(place) : std::nullopt;
}

QString name_of(const QWidget& widget) {
  return QString::fromLatin1(widget.metaObject()->className()) + u' ' + widget.objectName() + u' ' +
         widget.accessibleName();
}

} // namespace

void until(const char* what, const std::function<bool()>& ready) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(patience_ms);
  while (!in_window(ready)) {
    must(std::chrono::steady_clock::now() < end, QStringLiteral("waited in vain for ") + QString::fromUtf8(what));
    std::this_thread::sleep_for(look_again);
  }
}

RealHand::RealHand() : tool_(popen("xdotool -", "w")) {
  must(tool_ != nullptr, QStringLiteral("xdotool"));
  moveToThread(qApp->thread());
  in_window([this] { qApp->installEventFilter(this); });
}

RealHand::~RealHand() {
  in_window([this] { qApp->removeEventFilter(this); });
  pclose(tool_);
}

// Windows have every event first; what a window makes of a key press comes after a question whether it is a shortcut.
bool RealHand::eventFilter(QObject* object, QEvent* event) {
  switch (event->type()) {
  case QEvent::MouseButtonPress:
  case QEvent::MouseButtonDblClick:
    if (qobject_cast<QWindow*>(object)) ++presses_;
    if (auto* widget = qobject_cast<QWidget*>(object); widget && event->spontaneous() && !pressed_) pressed_ = widget;
    break;
  case QEvent::MouseButtonRelease:
    if (qobject_cast<QWindow*>(object)) ++releases_;
    break;
  case QEvent::ShortcutOverride:
    if (qobject_cast<QWindow*>(object) && !is_modifier(static_cast<QKeyEvent*>(event)->key())) ++keys_;
    break;
  default: break;
  }
  return false;
}

void RealHand::send(const QString& line) {
  const QByteArray bytes = line.toUtf8() + '\n';
  must(std::fwrite(bytes.constData(), 1, static_cast<std::size_t>(bytes.size()), tool_) ==
               static_cast<std::size_t>(bytes.size()) &&
           std::fflush(tool_) == 0,
       QStringLiteral("xdotool has ended"));
}

void RealHand::wait_for(const char* what, const std::atomic<int>& count, int wanted) {
  until(what, [&] { return count >= wanted; });
}

void RealHand::press(QWidget& widget, const Place& at, int button, int times) {
  std::optional<QPoint> place;
  const QByteArray name = in_window([&] { return name_of(widget).toUtf8(); });
  until(("a place to click: " + name).constData(), [&] {
    place = place_of(widget, at());
    return place.has_value();
  });
  const int pressed = presses_ + times, released = releases_ + times;
  in_window([this] { pressed_.clear(); });
  send(QStringLiteral("mousemove %1 %2 click --repeat %3 --delay 20 %4")
           .arg(place->x())
           .arg(place->y())
           .arg(times)
           .arg(button));
  clicks_ += times;
  wait_for("the press of a button", presses_, pressed);
  wait_for("its release", releases_, released);
  in_window([&] {
    must(!pressed_ || pressed_ == &widget || widget.isAncestorOf(pressed_),
         QStringLiteral("the click on %1 went to %2")
             .arg(QString::fromUtf8(name), pressed_ ? name_of(*pressed_) : QString()));
  });
}

void RealHand::click(QWidget& widget, const Place& at, int button) { press(widget, at, button, 1); }

void RealHand::click(QWidget& widget) {
  click(widget, [&widget] { return widget.rect().center(); });
}

void RealHand::double_click(QWidget& widget, const Place& at) { press(widget, at, 1, 2); }

void RealHand::click_action(const QString& beginning) {
  QMenu* menu = nullptr;
  QAction* action = nullptr;
  until(("the menu with " + beginning.toUtf8()).constData(), [&] {
    menu = qobject_cast<QMenu*>(QApplication::activePopupWidget());
    if (!menu) return false;
    for (QAction* each : menu->actions())
      if (each->text().remove(u'&').startsWith(beginning) && each->isEnabled()) action = each;
    return action != nullptr;
  });
  click(*menu, [menu, action] { return menu->actionGeometry(action).center(); });
}

void RealHand::button_down(QPoint place) {
  ++clicks_;
  move(place);
  send(QStringLiteral("mousedown 1"));
}

void RealHand::move(QPoint place) { send(QStringLiteral("mousemove %1 %2").arg(place.x()).arg(place.y())); }

void RealHand::button_up() { send(QStringLiteral("mouseup 1")); }

void RealHand::key(const char* name) { keys(name, 1); }

void RealHand::keys(const char* name, int times) {
  const int wanted = keys_ + times;
  for (int i = 0; i < times; ++i)
    send(QStringLiteral("key --clearmodifiers %1").arg(QString::fromLatin1(name)));
  wait_for(name, keys_, wanted);
}

void RealHand::key_until(const char* name, const std::function<bool()>& holds) {
  constexpr int looks_before_again = 100;
  int looks = 0;
  until(name, [&] {
    if (holds()) return true;
    if (looks++ % looks_before_again == 0)
      send(QStringLiteral("key --clearmodifiers %1").arg(QString::fromLatin1(name)));
    return false;
  });
}

void RealHand::type(const QString& text) {
  must(!text.contains(u'"') && !text.contains(u'\n'), QStringLiteral("xdotool would take this for the text's end"));
  const int wanted = keys_ + static_cast<int>(text.size());
  send(QStringLiteral("type --delay 1 \"%1\"").arg(text));
  wait_for("typed text", keys_, wanted);
}

} // namespace headscope::gui::test
