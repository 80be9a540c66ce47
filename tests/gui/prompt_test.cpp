// SPDX-License-Identifier: GPL-3.0-or-later
// Typing, pasting and choosing a prompt: which keys are the field's and which the window's.
#include <QClipboard>
#include <QLabel>
#include <QMenu>
#include <QTemporaryDir>
#include <QToolButton>

#include "app/gui/window/finder.h"
#include "app/gui/window/main_window.h"
#include "app/gui/window/prompt_bar.h"
#include "app/gui/window/prompt_edit.h"
#include "app/gui/window/prompt_examples.h"
#include "tests/gui/patience.h"
#include "tests/gui/tiny_model.h"

namespace headscope::gui {

class PromptTest : public QObject {
  Q_OBJECT
private:
  QTemporaryDir folder_;
  QString tiny() const {
    return QString::fromStdString(make_tiny_model(folder_.filePath(QStringLiteral("tiny")).toStdString()));
  }

  // Opens the tiny model in a window that has the keyboard.
  void open(MainWindow& window) const {
    window.resize(1280, 800);
    window.show();
    window.activateWindow();
    QVERIFY(QTest::qWaitForWindowActive(&window, test::patience_ms));
    window.open_path(tiny());
    QTRY_VERIFY(window.workspace().model().has_value());
  }

  static std::string prompt_of(MainWindow& window) { return window.workspace().prompt().request().text; }

private Q_SLOTS:
  void a_model_that_opens_gives_the_keyboard_to_the_prompt() {
    MainWindow window({});
    open(window);
    auto* edit = window.findChild<PromptEdit*>();
    QCOMPARE(window.focusWidget(), edit);
    QVERIFY(window.workspace().selection().head());
    // Keys that mean something to the window are text here, and those that the field has no use for do nothing.
    QTest::keyClicks(window.focusWidget(), QStringLiteral("a/"));
    for (const Qt::Key key : {Qt::Key_Down, Qt::Key_Right, Qt::Key_Up, Qt::Key_Left}) {
      QTest::keyClick(window.focusWidget(), key);
      QCOMPARE(window.workspace().selection().head(), std::optional<HeadId>({0, 0}));
    }
    QCOMPARE(edit->toPlainText(), QStringLiteral("a/"));
    QVERIFY(window.workspace().ablation().heads().empty());
    QCOMPARE(window.workspace().selection().head(), std::optional<HeadId>({0, 0}));
    QVERIFY(!window.findChild<Finder*>());
  }

  // A field that shows only the beginning of its text is read-only and leaves letters to its parents.
  void keys_that_a_field_does_not_use_are_not_the_windows() {
    MainWindow window({});
    open(window);
    auto* edit = window.findChild<PromptEdit*>();
    edit->set_text(QString(PromptEdit::longest_shown + 1, QLatin1Char('x')));
    QVERIFY(edit->isReadOnly());
    QTest::keyClicks(edit, QStringLiteral("a/"));
    QVERIFY(window.workspace().ablation().heads().empty() && !window.findChild<Finder*>());
    // They are the window's where nothing is typed.
    window.view(QStringLiteral("attention"))->setFocus();
    QTest::keyClick(window.view(QStringLiteral("attention")), Qt::Key_A);
    QCOMPARE(window.workspace().ablation().heads().size(), 1U);
  }

  void enter_takes_and_shift_enter_begins_a_line() {
    MainWindow window({});
    open(window);
    auto* edit = window.findChild<PromptEdit*>();
    const int one_line = edit->sizeHint().height();
    QTest::keyClicks(edit, QStringLiteral("one"));
    QTest::keyClick(edit, Qt::Key_Return, Qt::ShiftModifier);
    QTest::keyClicks(edit, QStringLiteral("two"));
    QVERIFY(edit->sizeHint().height() > one_line); // both are to be seen
    QVERIFY(prompt_of(window).empty());
    QTest::keyClick(edit, Qt::Key_Return);
    QTRY_COMPARE(prompt_of(window), std::string("one\ntwo"));
    QCOMPARE(edit->toPlainText(), QStringLiteral("one\ntwo"));
    QCOMPARE(window.focusWidget(), edit);
  }

  void an_example_is_taken_at_once() {
    MainWindow window({});
    open(window);
    QAction* chosen = nullptr;
    const PromptExample& example = prompt_example(QStringLiteral("ioi"));
    for (QAction* action : window.findChild<PromptBar*>()->findChildren<QAction*>())
      if (action->text() == example.name) chosen = action;
    QVERIFY(chosen);
    chosen->trigger();
    QTRY_COMPARE(QString::fromStdString(prompt_of(window)), example.text);
  }

  // The field lays out only the beginning; the whole is counted on the engine's thread.
  void a_megabyte_can_be_pasted() {
    MainWindow window({});
    open(window);
    auto* edit = window.findChild<PromptEdit*>();
    QTest::keyClicks(edit, QStringLiteral("<>"));
    QTest::keyClick(edit, Qt::Key_Left);
    const QString text = QStringLiteral("word ").repeated(200000);
    QGuiApplication::clipboard()->setText(text);
    QTest::keyClick(edit, Qt::Key_V, Qt::ControlModifier);
    QCOMPARE(edit->text(), QStringLiteral("<") + text + QStringLiteral(">"));
    QVERIFY(edit->document()->characterCount() < PromptEdit::longest_shown);
    const QString count = QLocale().toString(1000003); // a token a character, and BOS
    const auto labels = window.findChild<PromptBar*>()->findChildren<QLabel*>();
    QTRY_VERIFY(
        std::any_of(labels.begin(), labels.end(), [&](const QLabel* l) { return l->text().startsWith(count); }));
    // It is not a dead end.
    QGuiApplication::clipboard()->setText(QStringLiteral("short"));
    QTest::keyClick(edit, Qt::Key_V, Qt::ControlModifier);
    QCOMPARE(edit->text(), QStringLiteral("short"));
    QTest::keyClicks(edit, QStringLiteral("er"));
    QVERIFY(edit->text().contains(QStringLiteral("er")) && !edit->isReadOnly());
    edit->set_text(text);
    QTest::keyClick(edit, Qt::Key_Backspace);
    QVERIFY(edit->text().isEmpty() && !edit->isReadOnly());
  }
};

} // namespace headscope::gui

QTEST_MAIN(headscope::gui::PromptTest)
#include "prompt_test.moc"
