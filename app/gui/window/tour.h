// SPDX-License-Identifier: GPL-3.0-or-later
// The tour: a few sentences at the parts of the window they are about. Nothing happens without the user; "Show me" does
// what a step speaks of.
#pragma once

#include <functional>
#include <vector>

#include <QFrame>
#include <QLabel>
#include <QPushButton>

namespace headscope::gui {

class MainWindow;

struct TourStep {
  QString id, text;
  std::function<QWidget*()> part;     // the one that it is about; is brought to the front
  std::function<void()> show_me = {}; // what the step speaks of; empty: there is nothing to do
};

// The steps of Headscope's tour, from the prompt to an ablated induction head.
std::vector<TourStep> tour_steps(MainWindow& window);

class Tour : public QFrame {
  Q_OBJECT
public:
  // Lies over the window; closes itself when it ends.
  Tour(std::vector<TourStep> steps, QWidget* window);

  const TourStep& step() const { return steps_[at_]; }
  QPushButton& back() { return *back_; }
  QPushButton& next() { return *next_; }
  QPushButton& show_me() { return *show_me_; }
  QPushButton& skip() { return *skip_; }

protected:
  bool eventFilter(QObject* object, QEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;

private:
  void go(std::size_t step);
  void place();

  std::vector<TourStep> steps_;
  std::size_t at_ = 0;
  QLabel* text_;
  QPushButton *back_, *next_, *show_me_, *skip_;
  QWidget* ring_; // around the part
};

} // namespace headscope::gui
