// SPDX-License-Identifier: GPL-3.0-or-later
// Sizes that are so many lines or letters: set again whenever the text gets another size.
#pragma once

#include <functional>
#include <utility>

#include <QEvent>
#include <QWidget>

namespace headscope::gui {

class FontFollower : public QObject {
public:
  FontFollower(QWidget& widget, std::function<void()> set) : QObject(&widget), set_(std::move(set)) {
    widget.installEventFilter(this);
    set_();
  }

protected:
  bool eventFilter(QObject* object, QEvent* event) override {
    if (event->type() == QEvent::FontChange) set_();
    return QObject::eventFilter(object, event);
  }

private:
  std::function<void()> set_;
};

// Runs `set` now and after each change of the widget's font, as long as the widget lives.
inline void follow_font(QWidget& widget, std::function<void()> set) {
  new FontFollower(widget, std::move(set)); // owned by the widget
}

} // namespace headscope::gui
