// SPDX-License-Identifier: GPL-3.0-or-later
// Questions that people come with, answered in the window by keys and clicks alone, and how many clicks that takes: the
// sweep of every head with the strongest ablated, and from a patched position to its heads.
#include <QLineEdit>
#include <QMenu>
#include <QPlainTextEdit>
#include <QTabBar>
#include <QTemporaryDir>
#include <QToolButton>

#include "app/gui/models/head_filter.h"
#include "app/gui/views/cell_map/cell_map.h"
#include "app/gui/views/grid/grid_view.h"
#include "app/gui/views/grid/head_grid.h"
#include "app/gui/views/grid/score_panel.h"
#include "app/gui/views/grid/sweep_bar.h"
#include "app/gui/views/patching/patching_view.h"
#include "app/gui/window/main_window.h"
#include "app/gui/window/prompt_bar.h"
#include "app/gui/window/prompt_edit.h"
#include "tests/gui/patience.h"
#include "tests/gui/tiny_model.h"

namespace headscope::gui {

class ClicksTest : public QObject {
  Q_OBJECT
private:
  QTemporaryDir folder_;
  std::unique_ptr<MainWindow> window_;
  int clicks_ = 0;

  Workspace& workspace() { return window_->workspace(); }
  template <class T> T& the_view(const char* id) { return dynamic_cast<T&>(*window_->view(QString::fromLatin1(id))); }

  void click(QWidget& widget, QPoint at) {
    ++clicks_;
    QVERIFY2(widget.isVisible() && widget.rect().contains(at), qPrintable(widget.objectName()));
    QTest::mouseClick(&widget, Qt::LeftButton, Qt::NoModifier, at);
  }
  void click(QWidget& widget) { click(widget, widget.rect().center()); }
  void click_tool(QWidget& in, const QString& text) {
    for (auto* button : in.findChildren<QToolButton*>())
      if (button->text() == text && button->isVisible()) return click(*button, {6, button->height() / 2});
    QFAIL(qPrintable(text));
  }
  void click_tab(const QString& title) {
    for (auto* bar : window_->findChildren<QTabBar*>())
      for (int i = 0; i < bar->count(); ++i)
        if (bar->isVisible() && bar->tabText(i) == title) return click(*bar, bar->tabRect(i).center());
    QFAIL(qPrintable(title));
  }
  void click_head(HeadId head) {
    HeadGrid& grid = the_view<GridView>("grid").grids().front()->grid();
    QTRY_VERIFY(grid.cell_rect(head).isValid());
    click(grid, grid.cell_rect(head).center());
    QCOMPARE(workspace().selection().head(), std::optional(head));
  }
  void settle() { QTRY_VERIFY(workspace().settled()); }
  // Where keys go.
  QWidget* focus() { return window_->focusWidget(); }

private Q_SLOTS:
  void init() {
    clicks_ = 0;
    window_ = std::make_unique<MainWindow>(QString());
    window_->resize(1600, 1000);
    window_->show();
    window_->activateWindow();
    QVERIFY(QTest::qWaitForWindowActive(window_.get(), test::patience_ms));
    ++clicks_; // of the model's button on the start screen, or of its file in the dialog
    window_->open_path(QString::fromStdString(make_tiny_model(folder_.filePath(QStringLiteral("tiny")).toStdString())));
    QTRY_VERIFY(workspace().model().has_value());
    QTRY_VERIFY(qobject_cast<PromptEdit*>(focus())); // without a click
    QTest::keyClicks(focus(), QStringLiteral("abcabcab"));
    QTest::keyClick(focus(), Qt::Key_Return);
    QTRY_VERIFY(workspace().live());
    settle();
  }
  void cleanup() { window_.reset(); }

  void which_heads_matter_here() {
    auto& grid = the_view<GridView>("grid");
    click_tool(grid.sweep_bar(), QStringLiteral("Sweep heads"));
    QTRY_VERIFY(!grid.sweep_bar().running());
    settle();
    const HeadScores* scores = grid.grids().front()->scores();
    QVERIFY(scores && scores->id.starts_with("sweep/"));
    std::vector<HeadId> strongest = ranked_heads(*scores);
    QVERIFY(strongest.size() >= 3);
    for (int i = 0; i < 3; ++i) {
      click_head(strongest[static_cast<std::size_t>(i)]);
      QTest::keyClick(focus() ? focus() : window_.get(), Qt::Key_A);
      QCOMPARE(workspace().ablation().heads().size(), static_cast<std::size_t>(i + 1));
    }
    settle();
    window_->activateWindow(); // without a window manager a test's window may not have stayed the active one
    QVERIFY(QTest::qWaitForWindowActive(window_.get(), test::patience_ms));
    QTest::keyClick(focus() ? focus() : window_.get(), Qt::Key_Z, Qt::ControlModifier);
    QTRY_COMPARE(workspace().ablation().heads().size(), 2U);
    settle();
    QVERIFY2(clicks_ <= 8, qPrintable(QString::number(clicks_)));
    qInfo("%d clicks", clicks_);
  }

  void from_a_patched_position_to_its_heads() {
    auto& view = the_view<PatchingView>("patching");
    click_tab(QStringLiteral("Patching"));
    QTRY_VERIFY(view.watched());
    const auto edits = view.findChildren<QPlainTextEdit*>();
    QCOMPARE(edits.size(), 2);
    click(*edits[1]->viewport());
    QTest::keyClick(edits[1], Qt::Key_A, Qt::ControlModifier);
    QTest::keyClicks(edits[1], QStringLiteral("abdabcab"));
    QTest::keyClick(edits[1], Qt::Key_Return, Qt::ControlModifier);
    QTRY_VERIFY(view.measured() && view.measured()->complete);
    settle();
    const Cell place{1, view.measured()->n_columns - 1};
    click(*view.map().viewport(), view.map().cell_rect(place).center().toPoint());
    for (auto* button : view.findChildren<QToolButton*>())
      if (button->text() == QStringLiteral("Patch the heads here")) {
        QVERIFY(button->isVisible());
        clicks_ += 2; // the button and the choice below it
        Q_EMIT button->menu()->aboutToShow();
        button->menu()->actions().back()->trigger();
      }
    QTRY_VERIFY(view.measured() && view.measured()->complete && view.measured()->by_head());
    settle();
    const auto& restored = view.measured()->restored;
    const auto best = std::max_element(restored.begin(), restored.end()) - restored.begin();
    const int n_heads = view.measured()->n_columns;
    const Cell head{static_cast<int>(best) / n_heads, static_cast<int>(best) % n_heads};
    click(*view.map().viewport(), view.map().cell_rect(head).center().toPoint());
    QCOMPARE(workspace().selection().head(), (std::optional<HeadId>({head.row, head.col})));
    QVERIFY2(clicks_ <= 7, qPrintable(QString::number(clicks_))); // 6 but for opening the model
    qInfo("%d clicks", clicks_);
  }
};

} // namespace headscope::gui

QTEST_MAIN(headscope::gui::ClicksTest)
#include "clicks_test.moc"
