// SPDX-License-Identifier: GPL-3.0-or-later
// What a researcher does, in the real window on the default model, by keys and clicks: open the model, type a prompt,
// pick a head, ablate it, see what changes, export, and find all of it again at the next start.
#include <QApplication>
#include <QCheckBox>
#include <QFile>
#include <QImage>
#include <QLineEdit>
#include <QPushButton>
#include <QTemporaryDir>

#include "app/gui/views/ablation/ablation_view.h"
#include "app/gui/views/grid/grid_view.h"
#include "app/gui/views/grid/head_grid.h"
#include "app/gui/views/grid/score_panel.h"
#include "app/gui/views/patching/pair_editor.h"
#include "app/gui/views/patching/patching_view.h"
#include "app/gui/window/main_window.h"
#include "app/gui/window/message_bar.h"
#include "app/gui/window/prompt_bar.h"
#include "app/gui/window/prompt_edit.h"
#include "tests/gui/event_stall.h"
#include "tests/gui/loop_stall.h"
#include "tests/gui/patience.h"
#include "tests/timed.h"

namespace headscope::gui {
namespace {

const QString prompt_text = QStringLiteral("When Mary and John went to the store, John gave a drink to");
const HeadId chosen{20, 0}; // of the strongest effects on this sentence

} // namespace

class WorkflowTest : public QObject {
  Q_OBJECT
private:
  QTemporaryDir folder_;
  double ablated_difference_ = 0.0;

  QString session() const { return folder_.filePath(QStringLiteral("session.json")); }

  template <class T> static T& the_view(MainWindow& window, const char* id) {
    window.raise_view(QString::fromLatin1(id));
    auto* view = dynamic_cast<T*>(window.view(QString::fromLatin1(id)));
    if (!view) qFatal("there is no view %s", id);
    return *view;
  }

  static void settle(MainWindow& window) { QTRY_VERIFY(window.workspace().settled()); }

  static void show(MainWindow& window) {
    window.resize(1280, 800);
    window.show();
    QVERIFY(QTest::qWaitForWindowExposed(&window, test::patience_ms));
  }

  static void type_prompt(MainWindow& window) {
    auto* edit = window.findChild<PromptEdit*>();
    QVERIFY(edit);
    QTest::mouseClick(edit->viewport(), Qt::LeftButton);
    QTest::keyClicks(edit, prompt_text);
    QTest::keyClick(edit, Qt::Key_Return, Qt::ControlModifier);
    QTRY_COMPARE(window.workspace().prompt().tokens().size(), 14U);
    QCOMPARE(window.workspace().prompt().tokens()[1].text, std::string(" Mary"));
  }

  static void click_head(MainWindow& window, HeadId head) {
    auto& grid = the_view<GridView>(window, "grid");
    QTRY_VERIFY(!window.workspace().scores().all().empty()); // sink mass and entropy, live
    auto* map = grid.findChild<HeadGrid*>();
    QVERIFY(map);
    QTRY_VERIFY(map->cell_rect(head).isValid());
    QTest::mouseClick(map, Qt::LeftButton, Qt::NoModifier, map->cell_rect(head).center());
    QCOMPARE(window.workspace().selection().head(), std::optional(head));
  }

private Q_SLOTS:
  void the_whole_way() {
    MainWindow window(session());
    show(window);
    window.open_path(QStringLiteral("smollm2"));
    QTRY_VERIFY(window.workspace().model().has_value());
    QCOMPARE(window.workspace().model()->n_layers, 30);
    type_prompt(window);
    auto& view = the_view<AblationView>(window, "ablation");
    QTRY_VERIFY(view.prediction().has_value());
    QCOMPARE(view.prediction()->answer.text, std::string(" Mary"));
    const double clean = view.prediction()->clean_diff;
    QCOMPARE(view.prediction()->ablated_diff, clean);
    click_head(window, chosen);
    settle(window);

    QTest::keyClick(&window, Qt::Key_A); // ablates it
    QCOMPARE(window.workspace().ablation().heads().size(), 1U);
    QTRY_VERIFY(view.prediction()->ablated_diff != clean);
    QCOMPARE(view.prediction()->clean_diff, clean);
    settle(window);
    ablated_difference_ = view.prediction()->ablated_diff;
    QVERIFY(!view.ablated_text().text.empty());

    window.workspace().undo().undo();
    QTRY_COMPARE(view.prediction()->ablated_diff, clean);
    window.workspace().undo().redo();
    QTRY_COMPARE(view.prediction()->ablated_diff, ablated_difference_);
    export_by_dialog(window, view);
    window.close();
  }

  void the_next_start_takes_it_up() {
    QVERIFY2(ablated_difference_ != 0.0, "the test before has not got that far");
    MainWindow window(session());
    show(window);
    window.restore_session();
    auto& view = the_view<AblationView>(window, "ablation");
    QTRY_VERIFY(view.prediction().has_value());
    settle(window);
    QCOMPARE(window.workspace().selection().head(), std::optional(chosen));
    QCOMPARE(window.workspace().ablation().heads(),
             (std::vector<AblatedHead>{{chosen, AblationMethod::zero, Phase::both}}));
    QCOMPARE(window.workspace().prompt().request().text, prompt_text.toStdString());
    QTRY_VERIFY(std::abs(view.prediction()->ablated_diff - ablated_difference_) < 1e-4);
  }

  // A patching sweep of every layer, its map filling in, with all docks on show.
  void a_sweep_does_not_hold_the_window_up() {
    MainWindow window({});
    show(window);
    window.open_path(QStringLiteral("smollm2"));
    QTRY_VERIFY(window.workspace().model().has_value());
    type_prompt(window);
    auto& view = the_view<PatchingView>(window, "patching");
    QString corrupt = prompt_text;
    corrupt.replace(QStringLiteral("John gave"), QStringLiteral("Mary gave"));
    view.editor().set_texts(prompt_text, corrupt);
    QTRY_VERIFY(window.workspace().pair().has_value());
    settle(window);
    test::EventStall work;
    test::LoopStall loop;
    work.restart();
    view.run();
    QTRY_VERIFY(view.measured() && view.measured()->complete);
    std::printf("[ MEASURED ] longest stall of the event loop in a sweep: %.1f ms by the clock (a thread that sleeps "
                "beside it: %.1f ms), %.1f ms of processor time\n",
                loop.longest_ms(), loop.longest_sleep_ms(), work.longest_ms());
    QVERIFY(view.measured()->restored.size() == 30U * 14U);
    if (!headscope::test::timed()) QSKIP(headscope::test::not_timed);
    QVERIFY2(work.longest_ms() <= 50.0, "an event handler works for too long");
    // What the machine keeps from a thread that only sleeps is not the window's.
    QVERIFY2(loop.longest_ms() <= 50.0 + loop.longest_sleep_ms(), "an event handler waits for too long");
  }

private:
  // Ctrl+E, and what a user does with the dialog.
  void export_by_dialog(MainWindow& window, const AblationView& view) {
    QTimer fill;
    fill.setInterval(50);
    connect(&fill, &QTimer::timeout, this, [&] {
      QWidget* dialog = QApplication::activeModalWidget();
      if (!dialog || dialog->objectName() != QStringLiteral("export")) return;
      fill.stop();
      dialog->findChild<QLineEdit*>(QStringLiteral("folder"))->setText(folder_.path());
      dialog->findChild<QLineEdit*>(QStringLiteral("name"))->setText(QStringLiteral("change"));
      dialog->findChild<QCheckBox*>(QStringLiteral("csv"))->setChecked(true);
      QTest::keyClick(dialog, Qt::Key_Return);
    });
    fill.start();
    window.activateWindow(); // shortcuts are an active window's
    QVERIFY(QTest::qWaitForWindowActive(&window, test::patience_ms));
    view.findChild<QLineEdit*>()->setFocus(); // the view that is exported is the one that has the focus
    QTest::keyClick(&window, Qt::Key_E, Qt::ControlModifier);
    settle(window);
    const QImage picture(folder_.filePath(QStringLiteral("change.png")));
    QVERIFY2(!picture.isNull(), qPrintable(window.messages().text()));
    QVERIFY(QFile::exists(folder_.filePath(QStringLiteral("change.svg"))));
    QFile csv(folder_.filePath(QStringLiteral("change.csv")));
    QVERIFY(csv.open(QIODevice::ReadOnly));
    const QByteArray numbers = csv.readAll();
    const PredictedToken& first = view.prediction()->top.front();
    QVERIFY2(numbers.contains("Mary"), numbers.constData());
    QVERIFY2(numbers.contains(QByteArray::number(first.ablated, 'g', 4).left(5)), numbers.constData());
  }
};

} // namespace headscope::gui

QTEST_MAIN(headscope::gui::WorkflowTest)
#include "workflow_test.moc"
