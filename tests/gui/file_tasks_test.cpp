// SPDX-License-Identifier: GPL-3.0-or-later
// Files and long texts in the window, by mouse and keys: a document while heads are swept, a file that is dropped, a
// program that is killed, another model, and files that are broken.
#include <csignal>

#include <QComboBox>
#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QPlainTextEdit>
#include <QProcess>
#include <QTabWidget>

#include "app/gui/models/run_list_model.h"
#include "app/gui/views/attention/attention_view.h"
#include "app/gui/views/circuit/circuit_view.h"
#include "app/gui/views/circuit/discover_bar.h"
#include "app/gui/views/detectors/detectors_view.h"
#include "app/gui/views/grid/grid_view.h"
#include "app/gui/views/grid/head_grid.h"
#include "app/gui/views/grid/score_panel.h"
#include "app/gui/views/grid/sweep_bar.h"
#include "app/gui/views/patching/pair_editor.h"
#include "app/gui/views/patching/patching_view.h"
#include "app/gui/views/runs/compare_panel.h"
#include "app/gui/views/runs/runs_view.h"
#include "app/gui/window/message_bar.h"
#include "app/gui/window/prompt_edit.h"
#include "tests/gui/real_tasks.h"

namespace headscope::gui::test {
namespace {

constexpr const char* folder_of_killed = "HEADSCOPE_TEST_KILLED"; // environment of the process that is killed
const QString note = QStringLiteral("induction is at 2.4");
const QString prompt = QStringLiteral("When Mary and John went to the store, John gave a drink to");
const QString corrupt = QStringLiteral("When Mary and John went to the store, Mary gave a drink to");

QString document_of(const QString& begin, int sentences) {
  QString text = begin;
  for (int i = 0; i < sentences; ++i)
    text += QStringLiteral(" the store gave a drink to John and Mary went to the store");
  return text;
}

QByteArray contents(const QString& path) {
  QFile file(path);
  return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

void write(const QString& path, const QByteArray& bytes) {
  QFile file(path);
  must(file.open(QIODevice::WriteOnly) && file.write(bytes) == bytes.size(), path);
}

class FileTask : public RealTask {
protected:
  QString said() {
    return in_window([this] { return window().messages().text(); });
  }
  bool map_is_of(const QString& text) {
    if (workspace().prompt().request().text != text.toStdString()) return false;
    auto& view = dynamic_cast<AttentionView&>(*window().view(QStringLiteral("attention")));
    const auto canvases = view.grid().canvases();
    return !canvases.empty() && view.settled() &&
           canvases.front()->map()->shape().n_query == std::ssize(workspace().prompt().tokens());
  }
  void measure();
  // Two results of detectors that differ in their prompts.
  static void make_results(const QString& folder) {
    for (const auto& [name, seed] : {std::pair("first", "induction.seed=1"), {"second", "induction.seed=2"}}) {
      QProcess program;
      program.start(QCoreApplication::applicationDirPath() + QStringLiteral("/headscope"),
                    {QStringLiteral("detect"), QStringLiteral("--model"), planted_model(),
                     QStringLiteral("--detectors"), QStringLiteral("induction"), QStringLiteral("--set"),
                     QString::fromLatin1(seed), QStringLiteral("--out"),
                     QStringLiteral("%1/%2.h5").arg(folder, QString::fromLatin1(name))});
      must(program.waitForFinished(-1) && program.exitCode() == 0, QString::fromUtf8(program.readAllStandardError()));
    }
  }
  // Drags a file out of another program's window and drops it here.
  void drop(const QString& path) {
    QProcess other;
    other.start(QCoreApplication::applicationFilePath(), {QStringLiteral("--drag-source"), path});
    while (!other.canReadLine())
      must(other.waitForReadyRead(-1), QStringLiteral("the other program has ended"));
    const QList<QByteArray> place = other.readLine().simplified().split(' ');
    const QPoint from(place[0].toInt(), place[1].toInt());
    const QPoint to = in_window([this] { return window().mapToGlobal(window().rect().center()); });
    hand().button_down(from);
    for (int step = 0; !other.canReadLine() || other.readLine() != "yes\n"; ++step) {
      hand().move(from + (to - from) * std::min(1.0, step / 10.0) + QPoint(step % 2, 0));
      other.waitForReadyRead(10);
    }
    hand().button_up();
    until("the file", [&] { return workspace().result() && workspace().result()->path == path.toStdString(); });
    other.kill();
    other.waitForFinished(-1);
    settle();
  }
};

TEST_F(FileTask, ALongDocumentWhileHeadsAreSwept) {
  open_window();
  open_model(planted_model());
  const QString first = document_of(QStringLiteral("John"), 60), second = document_of(QStringLiteral("Mary"), 70);
  auto* field = in_window([this] { return window().findChild<PromptEdit*>(); });
  paste(first);
  hand().key("Return");
  go_to_tab("attention");
  until("the first map", [&] { return map_is_of(first); });
  go_to_tab("grid");
  auto& grid = the_view<GridView>("grid");
  click_button(grid.sweep_bar(), QStringLiteral("Sweep heads"));
  until("the sweep to begin", [&] { return grid.sweep_bar().running() || !workspace().scores().all().empty(); });
  hand().click(*field->viewport());
  hand().key("ctrl+a");
  paste(second);
  const bool running = in_window([&] { return grid.sweep_bar().running(); });
  hand().key("Return");
  go_to_tab("attention", false);
  until("the second map", [&] { return map_is_of(second); });
  if (running) {
    EXPECT_TRUE(in_window([&] { return grid.sweep_bar().running(); })) << "the map waited for the sweep";
  }
  until("the sweep to end", [&] { return !grid.sweep_bar().running(); });
  settle();
  // What it has measured is of the prompt before, and says so.
  go_to_tab("grid");
  until("the mark", [&] {
    const auto* mark = grid.findChild<QWidget*>(QStringLiteral("origin-mark"));
    return mark && mark->isVisible() && mark->accessibleName().contains(QStringLiteral("another prompt"));
  });
  expect_clicks(7);
}

// A megabyte is taken into the field without holding the window up, and is no prompt of this model.
TEST_F(FileTask, AMegabyteIsPasted) {
  open_window();
  open_model(planted_model());
  const QString all = document_of(QStringLiteral("John"), 17500);
  ASSERT_GT(all.size(), 1000000);
  paste(all);
  auto* field = in_window([this] { return window().findChild<PromptEdit*>(); });
  until("the text", [&] { return field->text() == all; });
  hand().key("Return");
  until("the answer",
        [this] { return window().messages().text().contains(QStringLiteral("The prompt was not taken")); });
  settle();
  expect_clicks(1);
}

TEST_F(FileTask, AnotherModelAndBrokenFiles) {
  open_window();
  open_model(planted_model());
  type_prompt(prompt);
  open_model(tiny_model(), By::keys);
  EXPECT_EQ(in_window([this] { return workspace().n_heads(); }), 4);
  // Nothing on the screen is of the model before.
  in_window([this] {
    for (const HeadScores& scores : workspace().scores().all())
      EXPECT_TRUE(scores.model_sha256.empty() || scores.model_sha256 == workspace().model()->sha256) << scores.id;
  });
  const QByteArray weights = contents(tiny_model() + QStringLiteral("/model.safetensors")),
                   config = contents(tiny_model() + QStringLiteral("/config.json"));
  for (const char* name : {"short", "noconfig"}) {
    QDir().mkpath(file(QString::fromLatin1(name)));
    for (const char* part : {"tokenizer.json", "tokenizer_config.json"})
      QFile::copy(tiny_model() + u'/' + QString::fromLatin1(part),
                  file(QStringLiteral("%1/%2").arg(QString::fromLatin1(name), QString::fromLatin1(part))));
  }
  write(file(QStringLiteral("short/config.json")), config);
  write(file(QStringLiteral("short/model.safetensors")), weights.first(weights.size() / 2));
  write(file(QStringLiteral("noconfig/config.json")), "{\"model_type\": ");
  write(file(QStringLiteral("noconfig/model.safetensors")), weights);
  write(file(QStringLiteral("broken.gguf")), QByteArray("GGUF\3\0\0\0", 8) + QByteArray(100, '\xff'));
  write(file(QStringLiteral("broken.h5")), QByteArray("\x89HDF\r\n\x1a\n", 8) + QByteArray(200, '\0'));
  for (const char* path : {"short/config.json", "noconfig/config.json", "broken.gguf", "broken.h5"}) {
    open_by_dialog(file(QString::fromLatin1(path)), By::keys);
    const QString name = QString::fromLatin1(path).section(u'/', 0, 0);
    until(path, [&] {
      const QString text = window().messages().text();
      return text.contains(QStringLiteral("was not opened")) && text.contains(name);
    });
    settle();
  }
  // The window goes on as if they had not been.
  EXPECT_EQ(in_window([this] { return workspace().model()->path; }), tiny_model().toStdString());
  hand().key("ctrl+l");
  hand().key("ctrl+a");
  type_prompt(QStringLiteral("abcabc"));
  go_to_tab("attention");
  until("the map", [this] { return map_is_of(QStringLiteral("abcabc")); });
  expect_clicks(2);
}

// Results that nobody saves: of a sweep, a patching map, a detector and a circuit.
void FileTask::measure() {
  auto& grid = the_view<GridView>("grid");
  auto& patching = the_view<PatchingView>("patching");
  auto& detectors = the_view<DetectorsView>("detectors");
  auto& circuit = the_view<CircuitView>("circuit");
  in_window([&] {
    grid.sweep_bar().sweep();
    window().raise_view(QStringLiteral("patching"));
    patching.editor().set_texts(prompt, corrupt);
    patching.run();
    detectors.tick("induction", true);
    detectors.run_ticked();
  });
  until("the results", [&] {
    return !grid.sweep_bar().running() && patching.measured() && patching.measured()->complete &&
           detectors.answers().contains("induction") && workspace().pair();
  });
  in_window([&] {
    window().raise_view(QStringLiteral("circuit"));
    circuit.discover().run();
  });
  until("the circuit", [&] { return !circuit.discover().running() && !circuit.graph().empty(); });
}

// What is done before the program is killed; it runs in a process of its own.
TEST_F(FileTask, DISABLED_UntilTheKill) {
  const QString folder = qEnvironmentVariable(folder_of_killed), session = folder + QStringLiteral("/session.json");
  open_window(session);
  drop(folder + QStringLiteral("/first.h5"));
  go_to_tab("runs");
  auto& runs = the_view<RunsView>("runs");
  until("the list", [&] { return runs.runs().rowCount() == 2; });
  auto* tabs = find<QTabWidget>(runs, [](QTabWidget& each) { return each.count() == 3; });
  const auto click_tab = [&](int index) {
    hand().click(*tabs->tabBar(), [&] { return tabs->tabBar()->tabRect(index).center(); });
    until("the page", [&] { return tabs->currentIndex() == index; });
  };
  click_tab(2);
  until("the difference", [&] { return runs.compare().difference() && runs.compare().difference()->compared == 32; });
  settle();
  click_tab(1);
  auto* notes = find_named<QPlainTextEdit>(runs, "Notes");
  hand().click(*notes->viewport());
  hand().type(note);
  open_model(planted_model(), By::keys);
  type_prompt(prompt);
  in_window([this] { workspace().selection().set_head({2, 4}); });
  hand().key("ctrl+1");
  until("the grid to have the keyboard",
        [this] { return window().view(QStringLiteral("grid"))->isAncestorOf(QApplication::focusWidget()); });
  HeadGrid& cells = in_window([this]() -> std::reference_wrapper<HeadGrid> {
    return dynamic_cast<GridView&>(*window().view(QStringLiteral("grid"))).grids().front()->grid();
  });
  hand().click(cells, [&] { return cells.cell_rect({2, 4}).center(); });
  hand().key("a");
  until("the head to be ablated", [this] { return workspace().ablation().heads().size() == 1; });
  expect_clicks(8);
  measure();
  until("all to be on the disk", [&] {
    const QByteArray kept = contents(folder + QStringLiteral("/session-results/index.json"));
    for (const char* kind : {"sweep", "patching", "detector", "circuit"})
      if (!kept.contains('"' + QByteArray(kind) + '"')) return false;
    const QJsonObject saved = QJsonDocument::fromJson(contents(session)).object();
    return saved[QStringLiteral("ablated")].toArray().size() == 1 &&
           saved[QStringLiteral("prompt")].toString() == prompt &&
           saved[QStringLiteral("corrupt")].toString() == corrupt &&
           contents(folder + QStringLiteral("/first.h5.notes.md")).contains(note.toUtf8());
  });
  if (HasFailure()) return;
  std::fflush(stdout);
  raise(SIGKILL);
}

TEST_F(FileTask, DroppedComparedNotedKilledAndNothingLost) {
  make_results(file({}));
  QProcess killed;
  QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
  environment.insert(QString::fromLatin1(folder_of_killed), file({}));
  killed.setProcessEnvironment(environment);
  killed.setProcessChannelMode(QProcess::ForwardedChannels);
  killed.start(QCoreApplication::applicationFilePath(),
               {QStringLiteral("--gtest_also_run_disabled_tests"), QStringLiteral("--gtest_filter=*UntilTheKill")});
  ASSERT_TRUE(killed.waitForFinished(-1));
  ASSERT_EQ(killed.exitStatus(), QProcess::CrashExit) << "it was not killed";
  open_window(file(QStringLiteral("session.json")));
  in_window([this] { window().restore_session(); });
  until("the model and the prompt", [this] { return workspace().live() && workspace().result(); });
  settle();
  in_window([this] {
    EXPECT_EQ(workspace().result()->path, file(QStringLiteral("first.h5")).toStdString());
    EXPECT_EQ(workspace().prompt().request().text, prompt.toStdString());
    EXPECT_EQ(workspace().selection().heads(), std::vector<HeadId>({{2, 4}}));
    ASSERT_EQ(workspace().ablation().heads().size(), 1U);
    EXPECT_EQ(workspace().ablation().heads().front().head, (HeadId{2, 4}));
    const auto& scores = workspace().scores().all();
    EXPECT_TRUE(std::ranges::any_of(scores, [](const HeadScores& each) { return each.id.starts_with("sweep/"); }));
    EXPECT_TRUE(std::ranges::any_of(scores, [](const HeadScores& each) { return each.id == "run/induction"; }));
  });
  auto& patching = the_view<PatchingView>("patching");
  until("the patching map", [&] { return patching.measured() && patching.measured()->complete; });
  go_to_tab("patching");
  until("the pair", [&] { return patching.editor().prompts().corrupt == corrupt.toStdString(); });
  go_to_tab("circuit");
  until("the circuit", [this] { return !the_view<CircuitView>("circuit").graph().empty(); });
  go_to_tab("runs");
  auto& runs = the_view<RunsView>("runs");
  until("the note", [&] {
    const auto* notes = runs.findChild<QPlainTextEdit*>();
    return notes && notes->toPlainText() == note;
  });
}

} // namespace
} // namespace headscope::gui::test
