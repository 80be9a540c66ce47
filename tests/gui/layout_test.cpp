// SPDX-License-Identifier: GPL-3.0-or-later
// Every view fits its dock: nothing has to be scrolled, in a large window, in a small one, and with large text.
#include <QDockWidget>
#include <QPlainTextEdit>
#include <QScrollArea>
#include <QScrollBar>
#include <QTemporaryDir>

#include <set>

#include "app/gui/views/cell_map/cell_map.h"
#include "app/gui/window/main_window.h"
#include "tests/gui/patience.h"
#include "tests/gui/tiny_model.h"

namespace headscope::gui {
namespace {

// What is too wide or too high in the view, a line each; empty: nothing.
QString too_large(const View& view) {
  QString faults;
  const auto* dock = qobject_cast<const QScrollArea*>(view.parentWidget()->parentWidget());
  if (const int hidden = dock->verticalScrollBar()->maximum(); hidden > 0)
    faults += QStringLiteral("%1 scrolls down by %2 of %3\n").arg(view.id()).arg(hidden).arg(view.height());
  const int needed = view.minimumSizeHint().width(), room = dock->viewport()->width();
  if (needed > room)
    faults += QStringLiteral("%1 needs %2 pixels, its dock has %3\n").arg(view.id()).arg(needed).arg(room);
  for (const auto* area : view.findChildren<QAbstractScrollArea*>()) {
    if (qobject_cast<const CellMap*>(area)) continue; // a map of a long prompt has more cells than fit
    const int hidden = area->horizontalScrollBar()->maximum();
    if (area->isVisible() && hidden > 0)
      faults += QStringLiteral("%1: %2 '%3' scrolls sideways by %4\n")
                    .arg(view.id(), QString::fromLatin1(area->metaObject()->className()), area->accessibleName())
                    .arg(hidden);
  }
  return faults;
}

} // namespace

class LayoutTest : public QObject {
  Q_OBJECT
private:
  QTemporaryDir folder_;

private Q_SLOTS:
  void nothing_scrolls_data() {
    QTest::addColumn<QSize>("size");
    QTest::addColumn<double>("font");
    QTest::newRow("large") << QSize(1600, 1000) << 1.0;
    QTest::newRow("small") << QSize(1024, 700) << 1.0;
    QTest::newRow("large text") << QSize(1600, 1000) << 1.5;
    QTest::newRow("small, large text") << QSize(1024, 700) << 1.5;
  }
  void nothing_scrolls() {
    QFETCH(QSize, size);
    QFETCH(double, font);
    MainWindow window({});
    window.set_look(Theme::light, font);
    window.resize(size);
    window.show();
    QVERIFY(QTest::qWaitForWindowExposed(&window, test::patience_ms));
    window.open_path(QString::fromStdString(make_tiny_model(folder_.filePath(QStringLiteral("tiny")).toStdString())));
    QTRY_VERIFY(window.workspace().model().has_value());
    window.workspace().set_prompt({"Mary and John", false, true});
    QTRY_VERIFY(!window.workspace().prompt().tokens().empty());
    QVERIFY2(window.minimumSizeHint().width() <= size.width() && window.minimumSizeHint().height() <= size.height(),
             qPrintable(QStringLiteral("the window needs %1 x %2")
                            .arg(window.minimumSizeHint().width())
                            .arg(window.minimumSizeHint().height())));
    QCOMPARE(window.size(), size);
    QString faults;
    for (const ViewKind& kind : all_views()) {
      window.raise_view(kind.id);
      const View* view = window.view(kind.id);
      QTRY_VERIFY(view->watched() && view->settled() && window.workspace().settled());
      QApplication::processEvents();
      faults += too_large(*view);
    }
    QVERIFY2(faults.isEmpty(), qPrintable(faults));
  }

  // A window that is made smaller gets fewer columns, and more again when there is room.
  void columns_follow_the_room() {
    MainWindow window({});
    window.resize(1600, 1000);
    window.show();
    window.open_path(QString::fromStdString(make_tiny_model(folder_.filePath(QStringLiteral("tiny")).toStdString())));
    QTRY_VERIFY(window.workspace().model().has_value());
    const auto columns = [&] {
      std::set<int> lefts;
      for (const auto* dock : window.findChildren<QDockWidget*>())
        if (dock->isVisible() && dock->x() >= 0) lefts.insert(dock->x()); // those behind tabs are outside
      return lefts.size();
    };
    QTRY_COMPARE(columns(), 3U);
    window.resize(1024, 700);
    QTRY_VERIFY(columns() < 3U);
    window.resize(1600, 1000);
    QTRY_COMPARE(columns(), 3U);
    // What the user has made stays.
    window.findChild<QDockWidget*>(QStringLiteral("dock-runs"))->close();
    window.resize(1024, 700);
    QApplication::processEvents();
    QCOMPARE(columns(), 3U);
  }

  void a_name_that_stands_on_a_tab_has_no_title_below() {
    MainWindow window({});
    window.resize(1600, 1000);
    window.show();
    window.open_path(QString::fromStdString(make_tiny_model(folder_.filePath(QStringLiteral("tiny")).toStdString())));
    QTRY_VERIFY(window.workspace().model().has_value());
    auto* grid = window.findChild<QDockWidget*>(QStringLiteral("dock-grid"));
    QTRY_VERIFY(grid->titleBarWidget() && grid->titleBarWidget()->height() == 0);
    window.show_only(QStringLiteral("grid"));
    QTRY_VERIFY(!grid->titleBarWidget()); // alone it has no tab
  }

  // What is two lines high stays that with other text.
  void sizes_follow_the_text() {
    MainWindow window({});
    auto* edit = window.view(QStringLiteral("patching"))->findChild<QPlainTextEdit*>();
    for (const double scale : {1.0, 1.5, 1.0}) {
      window.set_look(Theme::light, scale);
      QApplication::processEvents();
      const int lines = edit->height() / edit->fontMetrics().lineSpacing();
      QVERIFY2(lines == 2, qPrintable(QStringLiteral("%1 at %2").arg(lines).arg(scale)));
    }
  }

  void the_window_is_never_larger_than_the_screen() {
    MainWindow window({});
    window.resize(3000, 2000);
    window.move(500, 400);
    const QRect screen(0, 30, 1024, 700);
    window.fit_into(screen);
    QVERIFY(window.isMaximized());
    QVERIFY(window.width() <= screen.width() && window.height() < screen.height()); // with its frame
    window.showNormal();
    window.resize(800, 500);
    window.move(600, -50);
    window.fit_into(screen);
    QCOMPARE(window.size(), QSize(800, 500));
    QCOMPARE(window.pos(), QPoint(224, 30)); // of the frame
  }
};

} // namespace headscope::gui

QTEST_MAIN(headscope::gui::LayoutTest)
#include "layout_test.moc"
