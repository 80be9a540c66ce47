// SPDX-License-Identifier: GPL-3.0-or-later
// Runs the tests in a thread beside the window's own, which has no other work than the window's. With --drag-source
// FILE it is another program's window instead, out of which that file can be dragged.
#include <thread>

#include <QDrag>
#include <QLabel>
#include <QMimeData>
#include <QMouseEvent>
#include <QUrl>

#include <gtest/gtest.h>

#include "tests/gui/real_hand.h"

namespace {

class DragSource : public QLabel {
public:
  explicit DragSource(const QString& file) : QLabel(QStringLiteral("a file")), file_(file) {
    setWindowFlags(Qt::X11BypassWindowManagerHint | Qt::WindowStaysOnTopHint);
    resize(90, 40);
  }

protected:
  void mousePressEvent(QMouseEvent*) override {}
  void mouseMoveEvent(QMouseEvent*) override {
    auto* drag = new QDrag(this); // owned by Qt
    auto* mime = new QMimeData;
    mime->setUrls({QUrl::fromLocalFile(file_)});
    drag->setMimeData(mime);
    // Where it may be dropped; nothing else says so here.
    connect(drag, &QDrag::actionChanged, this, [](Qt::DropAction action) {
      say(action == Qt::CopyAction ? QStringLiteral("yes") : QStringLiteral("no"));
    });
    drag->exec(Qt::CopyAction); // what has been dropped is asked for later
  }
  // Says where it is.
  void paintEvent(QPaintEvent* event) override {
    QLabel::paintEvent(event);
    const QPoint middle = mapToGlobal(rect().center());
    say(QStringLiteral("%1 %2").arg(middle.x()).arg(middle.y()));
  }

private:
  static void say(const QString& line) {
    std::printf("%s\n", qPrintable(line));
    std::fflush(stdout);
  }

  QString file_;
};

} // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  QApplication application(argc, argv);
  QApplication::setQuitOnLastWindowClosed(false); // a test may have one window after another
  const QStringList arguments = QCoreApplication::arguments();
  if (arguments.size() == 3 && arguments[1] == QStringLiteral("--drag-source")) {
    DragSource source(arguments[2]);
    source.show();
    return QApplication::exec();
  }
  int code = 1;
  std::thread user([&code] {
    code = RUN_ALL_TESTS();
    headscope::gui::test::in_window([] { QCoreApplication::quit(); });
  });
  QApplication::exec();
  user.join();
  return code;
}
