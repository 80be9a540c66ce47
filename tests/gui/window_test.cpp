// SPDX-License-Identifier: GPL-3.0-or-later
// Parts of the window that need no model: the session, finding, writing exports, broken files, drag and drop.
#include <QDropEvent>
#include <QFile>
#include <QImage>
#include <QLineEdit>
#include <QListWidget>
#include <QMimeData>
#include <QTemporaryDir>

#include <atomic>
#include <memory>

#include "app/gui/window/export_dialog.h"
#include "app/gui/window/finder.h"
#include "app/gui/window/main_window.h"
#include "app/gui/window/message_bar.h"
#include "core/store/result_file.h"
#include "tests/gui/patience.h"
#include "tests/gui/tiny_model.h"

namespace headscope::gui {
namespace {

Session full_session() {
  Session session;
  session.model = QStringLiteral("/models/a b.gguf");
  session.result = QStringLiteral("/results/é.h5");
  session.dtype = QStringLiteral("bfloat16");
  session.device = QStringLiteral("cuda:1");
  session.prompt = {"Two lines\nand \"quotes\"", true, false};
  session.heads = {{3, 1}, {0, 2}};
  session.ablated = {{{1, 2}, AblationMethod::mean, Phase::decode}, {{4, 0}, AblationMethod::uniform, Phase::prefill}};
  session.answers = {" Mary", " John"};
  session.pair = {"Mary and John", "Mary and Tom"};
  session.recent = {QStringLiteral("/one"), QStringLiteral("/two")};
  session.theme = Theme::dark;
  session.font_scale = 1.25;
  session.attention = "window:window=128@layers=4-29";
  session.colors = figures::ColorMap::gray;
  session.cache_mib = 256;
  session.geometry = QByteArray("\x00\xff geometry", 11);
  session.layout = QByteArray("\x01\xfe layout", 9);
  return session;
}

HeadScores scores_of(const char* title, std::vector<float> values) {
  HeadScores scores;
  scores.id = std::string("detector/") + title;
  scores.title = title;
  scores.n_layers = 2;
  scores.n_heads = 2;
  scores.values = std::move(values);
  scores.source = "test";
  return scores;
}

TokenInfo token(const char* text) { return {0, text, text, false}; }

ViewExport small_map() {
  figures::HeatmapFigure map;
  map.title = "Small";
  map.rows = 2;
  map.cols = 3;
  map.values = {0.0F, 0.1F, 0.2F, 0.3F, 0.4F, 0.5F};
  return {QStringLiteral("small"), map, std::nullopt};
}

} // namespace

class WindowTest : public QObject {
  Q_OBJECT
private:
  QTemporaryDir folder_;
  QString path(const char* name) const { return folder_.filePath(QString::fromLatin1(name)); }

  void write(const QString& to, const QByteArray& bytes) const {
    QFile file(to);
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.write(bytes);
  }

private Q_SLOTS:
  // ---- Session

  void a_session_is_read_as_it_was_written() {
    const Session written = full_session();
    QVERIFY(write_session(path("deep/er/session.json"), written));
    const Session read = read_session(path("deep/er/session.json"));
    QCOMPARE(read.model, written.model);
    QCOMPARE(read.result, written.result);
    QCOMPARE(read.dtype, written.dtype);
    QCOMPARE(read.device, written.device);
    QCOMPARE(read.prompt.text, written.prompt.text);
    QCOMPARE(read.prompt.chat, true);
    QCOMPARE(read.prompt.add_special, false);
    QCOMPARE(read.heads, written.heads);
    QCOMPARE(read.ablated, written.ablated);
    QVERIFY(read.answers == written.answers);
    QVERIFY(read.pair == written.pair);
    QCOMPARE(read.recent, written.recent);
    QCOMPARE(static_cast<int>(read.theme), static_cast<int>(Theme::dark));
    QCOMPARE(read.font_scale, 1.25);
    QCOMPARE(read.attention, written.attention);
    QVERIFY(read.colors == figures::ColorMap::gray);
    QCOMPARE(read.cache_mib, 256);
    QCOMPARE(read.geometry, written.geometry);
    QCOMPARE(read.layout, written.layout);
  }

  void a_broken_session_is_an_empty_one_data() {
    QTest::addColumn<QByteArray>("bytes");
    QTest::newRow("empty") << QByteArray();
    QTest::newRow("cut off") << QByteArray("{\"model\": \"a");
    QTest::newRow("another kind") << QByteArray("[1, 2]");
    QTest::newRow("other types") << QByteArray(
        R"({"model": 3, "heads": "1.2", "ablated": [1, {"head": "x"}, {"head": "1.-2"}, {"head": "1.1", "how": 9}],)"
        R"("recent": {}, "theme": 7, "font_scale": "big", "geometry": []})");
  }
  void a_broken_session_is_an_empty_one() {
    QFETCH(QByteArray, bytes);
    write(path("broken.json"), bytes);
    const Session read = read_session(path("broken.json"));
    QVERIFY(read.model.isEmpty() && read.heads.empty() && read.ablated.empty() && read.recent.isEmpty());
    QCOMPARE(read.font_scale, 1.0);
  }

  void recent_files_are_few_and_newest_first() {
    Session session;
    for (int i = 0; i < 12; ++i)
      session.add_recent(QString::number(i % 10));
    QCOMPARE(session.recent.size(), Session::most_recent);
    QCOMPARE(session.recent.front(), QStringLiteral("1"));
    QCOMPARE(session.recent.count(QStringLiteral("1")), 1);
  }

  // ---- Finding

  void heads_scores_and_tokens_are_found() {
    Workspace workspace;
    workspace.open_model({make_tiny_model(path("tiny").toStdString()), "float32", "cpu"}); // 2 layers of 4 heads
    QTRY_VERIFY(workspace.model().has_value());
    workspace.scores().put(scores_of("Induction heads", {0.1F, std::nanf(""), 0.9F, 0.5F}));
    workspace.prompt().set_stored("p", "", {token("The"), token(" cat"), token(" Category")});
    QVERIFY(find_in(workspace, {}).empty());
    const auto heads = find_in(workspace, QStringLiteral("1."));
    QCOMPARE(heads.size(), 4U);
    QCOMPARE(heads[3].head, std::optional<HeadId>({1, 3}));
    const auto strongest = find_in(workspace, QStringLiteral("induct"));
    QCOMPARE(strongest.size(), 3U);
    QCOMPARE(strongest[0].head, std::optional<HeadId>({1, 0}));
    QCOMPARE(strongest[1].head, std::optional<HeadId>({1, 1}));
    QVERIFY(strongest[0].text.contains(QStringLiteral("0.900")));
    const auto tokens = find_in(workspace, QStringLiteral("CAT"));
    QCOMPARE(tokens.size(), 2U);
    QCOMPARE(tokens[1].token, std::optional<int>(2));
    QCOMPARE(find_in(workspace, QStringLiteral("1."), 2).size(), 2U);
    QVERIFY(find_in(workspace, QStringLiteral("no such thing")).empty());
  }

  void the_finder_takes_what_is_chosen() {
    Workspace workspace;
    workspace.prompt().set_stored("p", "", {token("a"), token(" needle"), token(" b needle")});
    Finder finder(workspace);
    finder.show();
    auto* text = finder.findChild<QLineEdit*>();
    QTest::keyClicks(text, QStringLiteral("needle"));
    QCOMPARE(finder.findChild<QListWidget*>()->count(), 2);
    QTest::keyClick(text, Qt::Key_Down);
    QTest::keyClick(text, Qt::Key_Down); // not past the end
    QTest::keyClick(text, Qt::Key_Return);
    QCOMPARE(workspace.selection().query(), std::optional<int>(2));
    QVERIFY(!finder.isVisible());
  }

  void the_finder_says_that_there_is_nothing() {
    Workspace workspace;
    Finder finder(workspace);
    finder.show();
    QTest::keyClicks(finder.findChild<QLineEdit*>(), QStringLiteral("zzz"));
    QCOMPARE(finder.findChild<QListWidget*>()->count(), 1);
    QTest::keyClick(finder.findChild<QLineEdit*>(), Qt::Key_Return);
    QVERIFY(finder.isVisible());
  }

  // ---- Export

  void an_export_is_pictures_and_numbers() {
    const ExportTarget target{folder_.path(),
                              QStringLiteral("map"),
                              {QStringLiteral("png"), QStringLiteral("svg"), QStringLiteral("pdf"),
                               QStringLiteral("csv"), QStringLiteral("npy")}};
    const auto files = write_export(small_map(), target, {});
    QVERIFY2(files.ok(), files.ok() ? "" : files.error().to_string().c_str());
    QCOMPARE(files->size(), 5);
    QVERIFY(!QImage(path("map.png")).isNull());
    QFile csv(path("map.csv")), npy(path("map.npy")), pdf(path("map.pdf"));
    QVERIFY(csv.open(QIODevice::ReadOnly) && npy.open(QIODevice::ReadOnly) && pdf.open(QIODevice::ReadOnly));
    QVERIFY(csv.readAll().contains("0.3"));
    QVERIFY(npy.readAll().contains("'shape': (2,3)"));
    QVERIFY(pdf.readAll().startsWith("%PDF"));
    // What is there is kept, unless it is to be replaced.
    const auto again = write_export(small_map(), target, {});
    QVERIFY(!again.ok());
    QCOMPARE(again.error().code, ErrorCode::already_exists);
    ExportTarget over = target;
    over.overwrite = true;
    QVERIFY(write_export(small_map(), over, {}).ok());
  }

  void a_bad_export_says_what_is_wrong_data() {
    QTest::addColumn<QString>("folder");
    QTest::addColumn<QString>("name");
    QTest::addColumn<QStringList>("formats");
    const QStringList png = {QStringLiteral("png")};
    QTest::newRow("no name") << folder_.path() << QString() << png;
    QTest::newRow("a path for a name") << folder_.path() << QStringLiteral("a/b") << png;
    QTest::newRow("no format") << folder_.path() << QStringLiteral("n") << QStringList();
    QTest::newRow("a folder that cannot be") << QStringLiteral("/proc/nowhere") << QStringLiteral("n") << png;
  }
  void a_bad_export_says_what_is_wrong() {
    QFETCH(QString, folder);
    QFETCH(QString, name);
    QFETCH(QStringList, formats);
    const auto files = write_export(small_map(), {folder, name, formats}, {});
    QVERIFY(!files.ok());
    QVERIFY(!files.error().message.empty());
  }

  // ---- Files that are not what they should be, and files that are dropped

  void wrong_files_are_errors_in_the_window_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QByteArray>("bytes");
    QTest::newRow("no HDF5") << QStringLiteral("text.h5") << QByteArray("not a result");
    QTest::newRow("cut off GGUF") << QStringLiteral("half.gguf") << QByteArray("GGUF\x03\x00\x00\x00", 8);
    QTest::newRow("no model") << QStringLiteral("text.gguf") << QByteArray("hello");
  }
  void wrong_files_are_errors_in_the_window() {
    QFETCH(QString, name);
    QFETCH(QByteArray, bytes);
    write(folder_.filePath(name), bytes);
    MainWindow window({});
    window.show();
    window.open_path(folder_.filePath(name));
    QTRY_VERIFY(window.messages().text().contains(name));
    QTRY_VERIFY(window.workspace().settled());
    QVERIFY(!window.workspace().model() && !window.workspace().result());
  }

  void a_dropped_result_is_opened() {
    auto writer = store::ResultWriter::create(path("dropped.h5").toStdString(), {});
    QVERIFY(writer.ok());
    QVERIFY(
        writer->set_model({{"name", std::string("tiny")}, {"n_layers", std::int64_t{2}}, {"n_heads", std::int64_t{2}}})
            .ok());
    QVERIFY(writer->commit(true).ok());
    MainWindow window({});
    window.show();
    QMimeData files;
    files.setUrls({QUrl::fromLocalFile(path("dropped.h5"))});
    QDragEnterEvent enter(QPoint(100, 100), Qt::CopyAction, &files, Qt::LeftButton, Qt::NoModifier);
    QApplication::sendEvent(&window, &enter);
    QVERIFY(enter.isAccepted());
    QDropEvent drop(QPointF(100, 100), Qt::CopyAction, &files, Qt::LeftButton, Qt::NoModifier);
    QApplication::sendEvent(&window, &drop);
    QTRY_VERIFY(window.workspace().result().has_value());
    QVERIFY(window.windowTitle().contains(QStringLiteral("dropped.h5")));
  }

  void closing_during_a_job_is_safe() {
    auto window = std::make_unique<MainWindow>(path("closing.json"));
    window->show();
    window->open_path(QString::fromStdString(make_tiny_model(path("tiny").toStdString())));
    const auto begun = std::make_shared<std::atomic<bool>>(false);
    window->workspace().engine().post<bool>({{}, QStringLiteral("Waiting")}, window.get(),
                                            [begun](EngineState&, const JobContext<bool>& job) -> Result<bool> {
                                              *begun = true;
                                              while (!job.control.cancel.cancelled())
                                                QThread::msleep(1);
                                              return true;
                                            },
                                            {});
    QTRY_VERIFY(*begun);
    QVERIFY(window->close());
    window.reset(); // joins the thread
    QVERIFY(QFile::exists(path("closing.json")));
  }
};

} // namespace headscope::gui

QTEST_MAIN(headscope::gui::WindowTest)
#include "window_test.moc"
