// SPDX-License-Identifier: GPL-3.0-or-later
// What a user does to a circuit graph: finding nodes and edges, moving, hiding, grouping and annotating them, undoing
// that, and keeping it beside the result.
#include <QClipboard>
#include <QFile>
#include <QGuiApplication>
#include <QSignalSpy>
#include <QTemporaryDir>

#include "app/gui/files/file_state.h"
#include "app/gui/files/graph_file.h"
#include "app/gui/style/theme.h"
#include "app/gui/views/circuit/circuit_controls.h"
#include "app/gui/views/circuit/circuit_view.h"
#include "app/gui/views/circuit/graph_canvas.h"
#include "tests/gui/menus.h"
#include "tests/gui/patience.h"

namespace headscope::gui {
namespace {

// Twelve layers of four heads and an MLP; each node feeds that of the next layer, ever weaker.
store::Graph ladder() {
  store::Graph graph;
  graph.name = "ladder";
  graph.nodes.push_back({"input", -1, -1, "input"});
  for (int layer = 0; layer < 12; ++layer) {
    for (int head = 0; head < 4; ++head)
      graph.nodes.push_back({QStringLiteral("a%1.h%2").arg(layer).arg(head).toStdString(), layer, head, "head"});
    graph.nodes.push_back({QStringLiteral("m%1").arg(layer).toStdString(), layer, -1, "mlp"});
  }
  for (std::int64_t i = 1; i + 5 < std::ssize(graph.nodes); ++i)
    graph.edges.push_back({i, i + 5, "q", 1.0 / static_cast<double>(i)});
  return graph;
}

Status save(const store::Graph& graph, const QString& path) {
  FileState state;
  return write_graph(state, graph, {path.toStdString(), {}, "test", "test", true});
}

QRectF page(const GraphCanvas& canvas) { return canvas.mapToScene(canvas.viewport()->rect()).boundingRect(); }

} // namespace

class CircuitEditsTest : public QObject {
  Q_OBJECT

  QTemporaryDir folder_;
  QString path_ = folder_.filePath(QStringLiteral("result.h5"));
  QString edits_ = folder_.filePath(QStringLiteral("result.ladder.graph-edits.json"));

  struct Opened {
    explicit Opened(const QString& path) : view(workspace, nullptr) {
      view.resize(900, 700);
      view.show();
      workspace.open_result(path);
      [&] {
        QTRY_VERIFY(!view.graph().empty());
        QTRY_VERIFY(workspace.settled() && view.settled());
      }();
      view.set_threshold(0.0);
    }
    std::size_t node(const char* name) const {
      const auto& nodes = view.graph().shown().nodes;
      for (std::size_t i = 0; i < nodes.size(); ++i)
        if (nodes[i].name == name) return i;
      return nodes.size();
    }
    bool has(const char* name) const { return node(name) < view.graph().shown().nodes.size(); }
    void select(std::vector<std::size_t> nodes) { view.canvas().set_selected(nodes); }
    QUndoStack& undo() { return workspace.undo(); }
    Workspace workspace;
    CircuitView view;
  };

private Q_SLOTS:
  void initTestCase() { apply_theme(Theme::light, 1.0); }
  void init() {
    QFile::remove(edits_);
    QVERIFY(save(ladder(), path_).ok());
  }

  void the_next_edge_stays_in_view() {
    Opened opened(path_);
    GraphCanvas& canvas = opened.view.canvas();
    for (int i = 0; i < 8; ++i)
      canvas.zoom(1.4);
    int outside = 0; // without being brought into view
    for (int step = 0; step < 40; ++step) {
      const QRectF before = page(canvas);
      QTest::keyClick(&canvas, step % 5 == 4 ? Qt::Key_P : Qt::Key_N);
      const store::GraphEdge& edge = opened.view.graph().shown().edges[static_cast<std::size_t>(canvas.current_edge())];
      for (const std::int64_t end : {edge.src, edge.dst}) {
        const QRectF rect = canvas.node_rect(static_cast<std::size_t>(end));
        QVERIFY(page(canvas).contains(rect));
        outside += !before.contains(rect);
      }
    }
    QVERIFY(outside > 5);
    const double zoom = canvas.transform().m11();
    QTest::keyClick(&canvas, Qt::Key_N);
    QTest::keyClick(&canvas, Qt::Key_P);
    QCOMPARE(canvas.transform().m11(), zoom); // an edge that fits leaves the zoom alone
  }

  void a_node_is_found() {
    Opened opened(path_);
    GraphCanvas& canvas = opened.view.canvas();
    opened.view.set_threshold(opened.view.graph().threshold_of(1)); // nearly all are hidden
    auto* field = opened.view.findChild<QLineEdit*>(QStringLiteral("find"));
    const auto find = [&](const char* text) {
      field->setText(QString::fromLatin1(text));
      QTest::keyClick(field, Qt::Key_Return);
    };
    for (const auto& [text, name] : {std::pair("11.3", "a11.h3"),
                                     {"mlp 5", "m5"},
                                     {"M5", "m5"},
                                     {"INPUT", "input"},
                                     {"a7.h2", "a7.h2"},
                                     {"7.h2", "a7.h2"}}) {
      canvas.fit();
      find(text);
      QCOMPARE(canvas.selected(), std::vector<std::size_t>({opened.node(name)}));
      QVERIFY(canvas.node_shown(opened.node(name)));
      QVERIFY(page(canvas).contains(canvas.node_rect(opened.node(name))));
    }
    QCOMPARE(opened.workspace.selection().head(), std::optional<HeadId>({7, 2}));
    find("99.1");
    QCOMPARE(canvas.selected(), std::vector<std::size_t>({opened.node("a7.h2")})); // as it was
    QVERIFY(!opened.view.find_node(QStringLiteral("99.1")));
  }

  void every_change_is_undone_and_done_again() {
    Opened opened(path_);
    const std::size_t nodes = opened.view.graph().shown().nodes.size(),
                      edges = opened.view.graph().shown().edges.size();
    // A drag.
    GraphCanvas& canvas = opened.view.canvas();
    const std::size_t moved = opened.node("a5.h1");
    const QPointF place = canvas.node_rect(moved).center();
    const QPoint from = canvas.mapFromScene(place);
    QTest::mousePress(canvas.viewport(), Qt::LeftButton, {}, from);
    QTest::mouseMove(canvas.viewport(), from + QPoint(20, 4));
    QTest::mouseMove(canvas.viewport(), from + QPoint(50, 7));
    QTest::mouseRelease(canvas.viewport(), Qt::LeftButton, {}, from + QPoint(50, 7));
    const QPointF there = canvas.node_rect(moved).center();
    QVERIFY(there != place && opened.view.graph().pinned(moved));
    opened.undo().undo();
    QCOMPARE(canvas.node_rect(moved).center(), place);
    opened.undo().redo();
    QCOMPARE(canvas.node_rect(moved).center(), there);
    // A group with a name.
    opened.select({opened.node("a1.h0"), opened.node("a1.h1"), opened.node("a2.h0")});
    opened.view.group_selected(QStringLiteral("movers"));
    QVERIFY(opened.has("movers") && !opened.has("a1.h0"));
    QCOMPARE(opened.view.graph().members(opened.node("movers")).size(), 3U);
    // A note of it, and hidden nodes with their edges.
    opened.select({opened.node("movers")});
    opened.view.annotate_selected(QStringLiteral("they move names"));
    QVERIFY(canvas.node_tip(opened.node("movers")).contains(QStringLiteral("they move names")));
    opened.select({opened.node("m3"), opened.node("movers")});
    opened.view.hide_selected();
    QVERIFY(!opened.has("m3") && !opened.has("movers") && !opened.has("a1.h1"));
    for (const store::GraphEdge& edge : opened.view.graph().shown().edges)
      QVERIFY(std::max(edge.src, edge.dst) < std::ssize(opened.view.graph().shown().nodes));
    QVERIFY(opened.view.graph().shown().edges.size() < edges - 2);
    QCOMPARE(opened.undo().count(), 4);
    opened.undo().undo();
    QVERIFY(opened.has("m3") && opened.has("movers"));
    opened.undo().undo();
    QVERIFY(!canvas.node_tip(opened.node("movers")).contains(QStringLiteral("they move names")));
    opened.undo().undo();
    opened.undo().undo();
    QVERIFY(opened.view.graph().edits().empty());
    QCOMPARE(opened.view.graph().shown().nodes.size(), nodes);
    QCOMPARE(opened.view.graph().shown().edges.size(), edges);
    // Nothing to change is no step.
    opened.select({});
    opened.view.hide_selected();
    QCOMPARE(opened.undo().count(), 4);
  }

  void a_step_of_a_graph_that_is_gone_does_nothing() {
    Opened opened(path_);
    opened.select({opened.node("m3")});
    opened.view.hide_selected();
    store::Graph other = ladder();
    other.name = "other";
    const QString path = folder_.filePath(QStringLiteral("other.h5"));
    QVERIFY(save(other, path).ok());
    opened.workspace.open_result(path);
    QTRY_COMPARE(opened.view.graph().base().name, std::string("other"));
    opened.undo().undo();
    QVERIFY(opened.view.graph().edits().empty() && opened.has("m3"));
  }

  void changes_are_kept_beside_the_result() {
    GraphEdits made;
    QPointF there;
    {
      Opened opened(path_);
      auto* controls = opened.view.findChild<CircuitControls*>();
      opened.select({opened.node("a1.h0"), opened.node("a1.h1")});
      opened.view.group_selected(QStringLiteral("movers"));
      opened.select({opened.node("movers")});
      opened.view.annotate_selected(QStringLiteral("“they” move\nnames"));
      opened.select({opened.node("m3")});
      opened.view.hide_selected();
      controls->rightwards->trigger();
      Q_EMIT opened.view.canvas().node_moved(opened.node("m4"), QPointF(12.5, -3));
      made = opened.view.graph().edits();
      QVERIFY(!QFile::exists(edits_)); // only when the user says so
      QSignalSpy noted(&opened.workspace, &Workspace::noted);
      controls->save_edits->trigger();
      QTRY_COMPARE(noted.size(), 1);
    }
    QVERIFY(QFile::exists(edits_));
    Opened again(path_);
    QVERIFY(again.view.graph().edits() == made);
    QVERIFY(again.has("movers") && !again.has("m3"));
    again.view.findChild<CircuitControls*>()->rightwards->trigger();
    QCOMPARE(again.view.canvas().node_rect(again.node("m4")).center(), QPointF(12.5, -3));
  }

  // A part of a graph that is saved has what was changed of its nodes.
  void a_saved_part_of_the_graph_keeps_its_edits() {
    const QString path = folder_.filePath(QStringLiteral("part.h5"));
    Opened opened(path_);
    opened.select({opened.node("a1.h0"), opened.node("a1.h1")});
    opened.view.group_selected(QStringLiteral("movers"));
    opened.select({opened.node("a9.h0")}); // not among the strongest edges
    opened.view.annotate_selected(QStringLiteral("weak"));
    opened.select({opened.node("a2.h2")});
    opened.view.annotate_selected(QStringLiteral("strong"));
    opened.view.set_threshold(opened.view.graph().threshold_of(12));
    QSignalSpy noted(&opened.workspace, &Workspace::noted);
    opened.view.save_graph(path, true);
    QTRY_COMPARE(noted.size(), 1);
    Opened part(path);
    QVERIFY(part.has("movers") && !part.has("a9.h0"));
    QCOMPARE(part.view.graph().note(part.node("a2.h2")), std::string("strong"));
    QCOMPARE(part.view.graph().edits().notes.size(), 1U);
  }

  // The Menu key opens the menu of the node that is selected, or of the edge that N and P have come to.
  void nodes_and_edges_have_menus() {
    Opened opened(path_);
    QWidget& page = *opened.view.canvas().viewport();
    opened.select({opened.node("a2.h1")});
    QVERIFY(test::use_menu(page, QStringLiteral("Pin it")));
    QVERIFY(opened.view.graph().pinned(opened.node("a2.h1")));
    QVERIFY(test::use_menu(page, QStringLiteral("Unpin")));
    QVERIFY(!opened.view.graph().pinned(opened.node("a2.h1")));
    opened.undo().undo();
    QVERIFY(opened.view.graph().pinned(opened.node("a2.h1")));
    opened.select({opened.node("a2.h1")});
    QVERIFY(!test::use_menu(page, QStringLiteral("Ablate"))); // without a model
    QVERIFY(test::use_menu(page, QStringLiteral("Copy the name")));
    QCOMPARE(QGuiApplication::clipboard()->text(), QStringLiteral("2.1"));
    QVERIFY(test::use_menu(page, QStringLiteral("Hide the selected")));
    QVERIFY(!opened.has("a2.h1"));
    QTest::keyClick(&opened.view.canvas(), Qt::Key_N);
    QCOMPARE(opened.view.canvas().current_edge(), 0);
    QVERIFY(test::use_menu(page, QStringLiteral("Go to where it ends")));
    const auto end = static_cast<std::size_t>(opened.view.graph().shown().edges[0].dst);
    QCOMPARE(opened.view.canvas().selected(), std::vector<std::size_t>{end});
    QVERIFY(!test::use_menu(page, QStringLiteral("Patch this edge"))); // without a model and a pair
    // A right click on a node that is not selected is about that node.
    const std::size_t other = opened.node("m1");
    const QPoint place = opened.view.canvas().mapFromScene(opened.view.canvas().node_rect(other).center());
    QVERIFY(test::use_menu(page, QStringLiteral("Copy what it is"), place));
    QVERIFY(QGuiApplication::clipboard()->text().startsWith(QStringLiteral("m1")));
  }

  void a_bad_file_of_changes_is_said_and_left_out_data() {
    QTest::addColumn<QByteArray>("text");
    const QByteArray head = R"({"format": "headscope graph edits", "version": 1, )";
    QTest::newRow("no JSON") << QByteArray("{");
    QTest::newRow("other format") << QByteArray("{}");
    QTest::newRow("other version") << QByteArray(R"({"format": "headscope graph edits", "version": 2})");
    QTest::newRow("unknown node") << head + R"("hidden": ["a99.h0"]})";
    QTest::newRow("no list") << head + R"("groups": {"name": "x"}})";
    QTest::newRow("in two groups")
        << head + R"("groups": [{"name": "x", "nodes": ["m1", "m2"]}, {"name": "y", "nodes": ["m2", "m3"]}]})";
    QTest::newRow("far away") << head + R"("pins": [{"nodes": ["m1"], "x": 1e300, "y": 0}]})";
    QTest::newRow("no text") << head + R"("notes": [{"nodes": ["m1"], "text": 5}]})";
    QTest::newRow("a number") << head + R"("hidden": 7})";
  }

  void a_bad_file_of_changes_is_said_and_left_out() {
    QFETCH(QByteArray, text);
    QFile file(edits_);
    QVERIFY(file.open(QIODevice::WriteOnly) && file.write(text) == text.size());
    file.close();
    const auto read = read_edits(ladder(), edits_.toStdString());
    QVERIFY(!read.ok());
    QCOMPARE(read.error().code, ErrorCode::corrupt);
    Opened opened(path_);
    QVERIFY(opened.view.graph().edits().empty());
    QCOMPARE(opened.view.graph().shown().nodes.size(), ladder().nodes.size());
    QSignalSpy failures(&opened.workspace, &Workspace::failed);
    opened.workspace.open_result(path_);
    QTRY_COMPARE(failures.size(), 1);
  }
};

} // namespace headscope::gui

QTEST_MAIN(headscope::gui::CircuitEditsTest)
#include "circuit_edits_test.moc"
