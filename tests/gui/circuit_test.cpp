// SPDX-License-Identifier: GPL-3.0-or-later
// The circuit graph: its layout, what is drawn where, mouse and keys, files, and a very large graph.
#include <QElapsedTimer>
#include <QSignalSpy>
#include <QTemporaryDir>

#include <cmath>

#include "app/figures/graph_look.h"
#include "app/gui/files/file_state.h"
#include "app/gui/files/graph_file.h"
#include "app/gui/style/theme.h"
#include "app/gui/views/circuit/ablation_graph.h"
#include "app/gui/views/circuit/circuit_controls.h"
#include "app/gui/views/circuit/circuit_view.h"
#include "app/gui/views/circuit/graph_canvas.h"
#include "app/gui/views/circuit/graph_margins.h"
#include "app/result_figures/graph_figure.h"
#include "tests/gui/event_stall.h"
#include "tests/gui/patience.h"
#include "tests/timed.h"

namespace headscope::gui {
namespace {

// Two layers of two heads, and an MLP; scores of both signs.
store::Graph small_graph() {
  store::Graph graph;
  graph.name = "small";
  graph.metric = "logit difference";
  graph.task = "planted";
  graph.units = "logit";
  graph.nodes = {{"input", -1, -1, "input"},  {"0.0", 0, 0, "head"}, {"0.1", 0, 1, "head"},
                 {"mlp 0", 0, -1, "mlp"},     {"1.0", 1, 0, "head"}, {"1.1", 1, 1, "head"},
                 {"logits", -1, -1, "logits"}};
  graph.edges = {
      {1, 4, "q", -2.0}, {0, 1, "input", 0.25}, {4, 6, "logits", 1.0}, {2, 5, "v", 0.5}, {3, 6, "logits", 0.1}};
  return graph;
}

// A layer of four heads on two K/V heads, read by all three inputs.
store::Graph grouped_graph() {
  store::Graph graph;
  graph.name = "grouped";
  graph.attributes = {{"n_heads", std::int64_t{4}}, {"n_kv_heads", std::int64_t{2}}};
  graph.nodes = {{"input", -1, -1, "input"},  {"a0.h0", 0, 0, "head"},     {"a0.h1", 0, 1, "head"},
                 {"a0.h2", 0, 2, "head"},     {"a0.h3", 0, 3, "head"},     {"a0.kv0", 0, 0, "kv_head"},
                 {"a0.kv1", 0, 1, "kv_head"}, {"logits", -1, -1, "logits"}};
  graph.edges = {{0, 5, "k", 3.5}, {0, 5, "v", -3.0}, {0, 3, "q", -4.0},
                 {1, 7, "", 1.5},  {2, 7, "", 1.0},   {0, 6, "k", 0.125}};
  return graph;
}

store::Graph large_graph(std::int64_t edges) {
  store::Graph graph;
  graph.name = "large";
  graph.nodes.push_back({"input", -1, -1, "input"});
  for (int layer = 0; layer < 48; ++layer)
    for (int head = 0; head < 25; ++head)
      graph.nodes.push_back({head_name({layer, head}), layer, head, "head"});
  const auto n = static_cast<std::int64_t>(graph.nodes.size());
  for (std::int64_t i = 0; i < edges; ++i) {
    const std::int64_t src = i * 7919 % (n - 26), dst = src + 26 + i * 104729 % (n - src - 26);
    graph.edges.push_back({src, dst, "q", std::sin(static_cast<double>(i)) / (1.0 + 0.01 * static_cast<double>(i))});
  }
  return graph;
}

Status save(const store::Graph& graph, const QString& path) {
  FileState state;
  return write_graph(state, graph, {path.toStdString(), {}, "test", "test", false});
}

bool equal(const store::Graph& a, const store::Graph& b) {
  const auto same_node = [](const store::GraphNode& x, const store::GraphNode& y) {
    return x.name == y.name && x.layer == y.layer && x.head == y.head && x.kind == y.kind;
  };
  const auto same_edge = [](const store::GraphEdge& x, const store::GraphEdge& y) {
    return x.src == y.src && x.dst == y.dst && x.kind == y.kind && x.score == y.score;
  };
  return a.name == b.name && a.metric == b.metric && a.task == b.task && a.units == b.units &&
         std::equal(a.nodes.begin(), a.nodes.end(), b.nodes.begin(), b.nodes.end(), same_node) &&
         std::equal(a.edges.begin(), a.edges.end(), b.edges.begin(), b.edges.end(), same_edge);
}

int distance(QColor a, QColor b) {
  return std::max({std::abs(a.red() - b.red()), std::abs(a.green() - b.green()), std::abs(a.blue() - b.blue())});
}

// The smallest distance of any pixel around a place to a colour.
int nearest(const QImage& image, QPoint at, QColor wanted) {
  int best = 255;
  for (int y = -2; y <= 2; ++y)
    for (int x = -2; x <= 2; ++x)
      if (image.valid(at + QPoint(x, y))) best = std::min(best, distance(image.pixelColor(at + QPoint(x, y)), wanted));
  return best;
}

QImage picture(GraphCanvas& canvas) {
  [&] { QTRY_VERIFY(canvas.settled()); }();
  return canvas.viewport()->grab().toImage();
}

} // namespace

class CircuitTest : public QObject {
  Q_OBJECT

  // A window's view with a graph of a file open.
  struct Opened {
    explicit Opened(const store::Graph& graph, test::EventStall* stall = nullptr) : view(workspace, nullptr) {
      const QString path = folder.filePath(QStringLiteral("graph.h5"));
      const Status saved = save(graph, path);
      view.resize(900, 700);
      view.show();
      if (stall) stall->restart(); // from here on as in the window
      workspace.open_result(path);
      [&] {
        QVERIFY2(saved.ok(), saved.ok() ? "" : saved.error().to_string().c_str());
        QTRY_COMPARE(view.graph().base().edges.size(), graph.edges.size());
        QTRY_VERIFY(workspace.settled() && view.settled());
      }();
    }
    QTemporaryDir folder;
    Workspace workspace;
    CircuitView view;
  };

private Q_SLOTS:
  void initTestCase() { apply_theme(Theme::light, 1.0); }

  void a_graph_is_written_and_read_back_equal() {
    const QTemporaryDir folder;
    const QString path = folder.filePath(QStringLiteral("graph.h5"));
    const store::Graph graph = small_graph();
    QVERIFY(save(graph, path).ok());
    FileState state;
    const auto read = read_graph(state, path.toStdString(), "small");
    QVERIFY2(read.ok(), read.ok() ? "" : read.error().to_string().c_str());
    QVERIFY(equal(*read, graph));
    QCOMPARE(save(graph, path).error().code, ErrorCode::already_exists);
    QCOMPARE(read_graph(state, path.toStdString(), "none").ok(), false);
  }

  void the_view_saves_what_is_over_the_threshold() {
    Opened opened(small_graph());
    opened.view.set_threshold(1.0);
    const QString path = opened.folder.filePath(QStringLiteral("saved.h5"));
    opened.view.save_graph(path, false);
    QTRY_VERIFY(opened.workspace.settled());
    FileState state;
    const auto read = read_graph(state, path.toStdString(), "small");
    QVERIFY(read.ok());
    QCOMPARE(read->edges.size(), 2U);
    QCOMPARE(read->nodes.size(), 3U); // 0.0, 1.0, logits
    QCOMPARE(read->nodes[static_cast<std::size_t>(read->edges[0].src)].name, std::string("0.0"));
    opened.view.set_threshold(0.0);
    opened.view.save_graph(opened.folder.filePath(QStringLiteral("all.h5")), false);
    QTRY_VERIFY(opened.workspace.settled());
    const auto all = read_graph(state, opened.folder.filePath(QStringLiteral("all.h5")).toStdString(), "small");
    QVERIFY(all.ok() && equal(*all, small_graph()));
  }

  void layers_are_rows_from_the_input_up() {
    const GraphLayout layout = lay_out(small_graph());
    const auto& nodes = layout.nodes;
    QVERIFY(nodes[0].y > nodes[1].y); // the input is at the foot
    QCOMPARE(nodes[1].y, nodes[2].y);
    QVERIFY(nodes[1].y > nodes[4].y && nodes[4].y > nodes[6].y);
    QCOMPARE(nodes[1].x, nodes[4].x); // a head has the same column in every layer
    QVERIFY(nodes[1].x < nodes[2].x && nodes[2].x < nodes[3].x);
    const GraphLayout turned = lay_out(small_graph(), true);
    QVERIFY(turned.nodes[0].x < turned.nodes[1].x && turned.nodes[4].x < turned.nodes[6].x);
    for (std::size_t a = 0; a < nodes.size(); ++a)
      for (std::size_t b = a + 1; b < nodes.size(); ++b)
        for (const GraphLayout* each : {&layout, &turned}) {
          const auto &p = each->nodes[a], &q = each->nodes[b];
          QVERIFY2(std::abs(p.x - q.x) >= p.width || std::abs(p.y - q.y) >= p.height, "two nodes overlap");
        }
  }

  void nothing_moves_under_the_slider() {
    Opened opened(small_graph());
    GraphCanvas& canvas = opened.view.canvas();
    std::vector<QRectF> before;
    for (std::size_t i = 0; i < 7; ++i)
      before.push_back(canvas.node_rect(i));
    const QTransform view = canvas.viewportTransform();
    auto* slider = opened.view.findChild<QSlider*>();
    for (const int value : {0, 300, 700, 1000, 0}) {
      slider->setValue(value);
      for (std::size_t i = 0; i < 7; ++i)
        QCOMPARE(canvas.node_rect(i), before[i]);
      QCOMPARE(canvas.viewportTransform(), view);
    }
    QCOMPARE(canvas.edge_count(), 5U);
    slider->setValue(1000);
    QCOMPARE(canvas.edge_count(), 1U); // the strongest is left
    QCOMPARE(opened.view.threshold(), 2.0);
    // Its way is the logarithm of |score|: from 0.1 to 2, the middle is at their geometric mean.
    slider->setValue(500);
    QVERIFY(std::abs(opened.view.threshold() - std::sqrt(0.1 * 2.0)) < 1e-9);
    QCOMPARE(canvas.edge_count(), 3U);
    opened.view.set_threshold(0.1 * std::pow(20.0, 0.25));
    QCOMPARE(slider->value(), 250);
  }

  void edges_and_nodes_have_their_colours() {
    Opened opened(small_graph());
    GraphCanvas& canvas = opened.view.canvas();
    opened.workspace.selection().set_heads({});
    opened.view.set_threshold(0.3);
    const QImage all = picture(canvas);
    const auto& shown = opened.view.graph().shown();
    QCOMPARE(canvas.edge_count(), 3U);
    for (std::size_t edge = 0; edge < 3; ++edge) { // -2, 1, 0.5
      const QColor wanted(QRgb(figures::edge_color(shown.edges[edge].score / 2.0, false)));
      QVERIFY2(nearest(all, canvas.mapFromScene(canvas.edge_middle(edge)), wanted) < 24, "an edge is not there");
    }
    // Blue for less, orange for more.
    QVERIFY(QColor(QRgb(figures::edge_color(-1, false))).blue() > QColor(QRgb(figures::edge_color(-1, false))).red());
    QVERIFY(QColor(QRgb(figures::edge_color(1, false))).red() > QColor(QRgb(figures::edge_color(1, false))).blue());
    const auto corner = [&](std::size_t node) {
      return canvas.mapFromScene(canvas.node_rect(node).topLeft() + QPointF(6, 4));
    };
    const QColor head(QRgb(figures::node_ink(figures::NodeKind::head, false).fill));
    QVERIFY(nearest(all, corner(5), head) < 6);
    // Above the threshold of 0.5's edge its nodes fade out.
    opened.view.set_threshold(0.6);
    const QImage fewer = picture(canvas);
    QVERIFY(nearest(fewer, corner(5), head) > 10);
    QVERIFY(nearest(fewer, corner(4), head) < 6);
    const QColor gone(QRgb(figures::edge_color(0.25, false)));
    QVERIFY2(nearest(fewer, canvas.mapFromScene(canvas.edge_middle(2)), gone) > 40,
             "an edge under the threshold is drawn");
  }

  void only_nodes_of_drawn_edges_are_shown() {
    Opened opened(small_graph());
    GraphCanvas& canvas = opened.view.canvas();
    auto* controls = opened.view.findChild<CircuitControls*>();
    const auto shown = [&] {
      std::vector<std::size_t> out;
      for (std::size_t i = 0; i < 7; ++i)
        if (canvas.node_shown(i)) out.push_back(i);
      return out;
    };
    opened.view.set_threshold(1.0); // 0.0 to 1.0 to the logits
    QCOMPARE(shown(), std::vector<std::size_t>({1, 4, 6}));
    controls->show_all->trigger();
    QCOMPARE(shown().size(), 7U);
    controls->show_all->trigger();
    QCOMPARE(shown().size(), 3U);
    // A selected head stays selected while it is hidden, and is marked again when it comes back.
    opened.workspace.selection().set_head({1, 1});
    opened.view.set_threshold(0.3);
    QCOMPARE(canvas.selected(), std::vector<std::size_t>({5}));
    opened.view.set_threshold(1.0);
    QVERIFY(canvas.selected().empty());
    QCOMPARE(opened.workspace.selection().head(), std::optional<HeadId>({1, 1}));
    opened.view.set_threshold(0.3);
    QCOMPARE(canvas.selected(), std::vector<std::size_t>({5}));
  }

  // The same lines and ties as the figure has, from the same data.
  void inputs_are_told_apart_and_kv_heads_are_tied() {
    Opened opened(grouped_graph());
    opened.workspace.selection().set_heads({});
    GraphCanvas& canvas = opened.view.canvas();
    opened.view.set_threshold(0.0);
    const QImage image = picture(canvas);
    // Along a dashed line the page comes through, along a full one nowhere: how weak its weakest place is.
    const auto weakest = [&](std::size_t edge) {
      int least = 255, most = 0;
      for (int i = 250; i <= 750; ++i) {
        const QPoint at = canvas.mapFromScene(canvas.edge_at_share(edge, i / 1000.0));
        least = std::min(least, distance(image.pixelColor(at), inks().page));
        most = std::max(most, distance(image.pixelColor(at), inks().page));
      }
      return static_cast<double>(least) / most;
    };
    QVERIFY(weakest(0) > 0.8); // q
    QVERIFY(weakest(1) < 0.2); // k
    QVERIFY(weakest(2) < 0.6); // v
    // k and v end beside each other.
    QVERIFY(canvas.edge_at_share(1, 1.0).x() < canvas.node_rect(5).center().x());
    QVERIFY(canvas.edge_at_share(2, 1.0).x() > canvas.node_rect(5).center().x());
    const auto tie = [&](std::size_t kv, std::size_t head) {
      const QPointF between = (canvas.node_rect(kv).center() * 0.55 + canvas.node_rect(head).center() * 0.45);
      return nearest(image, canvas.mapFromScene(between), inks().muted) < 60;
    };
    QVERIFY(tie(5, 1) && tie(5, 2) && tie(6, 3));
    QVERIFY(!canvas.node_shown(4)); // it reads a K/V head too, but no edge uses it
    const QString legend = canvas.legend().accessibleDescription();
    for (const char* text : {"into q", "into k", "into v", "K/V head and the heads that read it"})
      QVERIFY2(legend.contains(QLatin1String(text)), text);
    QVERIFY(legend.contains(QStringLiteral("−4")));
  }

  void names_stand_beside_the_graph_and_on_its_nodes() {
    Opened opened(large_graph(200));
    GraphCanvas& canvas = opened.view.canvas();
    auto* controls = opened.view.findChild<CircuitControls*>();
    opened.view.set_threshold(0.0);
    for (const bool rightwards : {false, true}) {
      controls->rightwards->setChecked(rightwards);
      QTRY_VERIFY(canvas.settled());
      for (const QWidget* beside : {static_cast<QWidget*>(&canvas.ruler()), static_cast<QWidget*>(&canvas.legend())}) {
        QVERIFY(!beside->geometry().isEmpty());
        QVERIFY2(!beside->geometry().intersects(canvas.viewport()->geometry()), "it covers nodes");
        QVERIFY(canvas.rect().contains(beside->geometry()));
      }
      QVERIFY(canvas.ruler().shown().size() > 5);
      // Nodes are far too small for their names here; those that have room are written, and none on another.
      const auto labels = canvas.screen_labels();
      QVERIFY(labels.size() > 20);
      for (std::size_t a = 0; a < labels.size(); ++a) {
        QVERIFY(canvas.node_shown(labels[a].first));
        QVERIFY(QRectF(canvas.viewport()->rect()).contains(labels[a].second));
        for (std::size_t b = a + 1; b < labels.size(); ++b)
          QVERIFY(!labels[a].second.intersects(labels[b].second));
      }
    }
    for (int i = 0; i < 12; ++i)
      canvas.zoom(1.4);
    QVERIFY(canvas.screen_labels().empty()); // each node has its own
  }

  void a_click_selects_heads_and_an_edge_can_be_patched() {
    Opened opened(small_graph());
    GraphCanvas& canvas = opened.view.canvas();
    QSignalSpy wishes(&opened.workspace, &Workspace::patch_wanted), views(&opened.workspace, &Workspace::view_wanted);
    const auto click = [&](QPointF scene) {
      QTest::mouseClick(canvas.viewport(), Qt::LeftButton, {}, canvas.mapFromScene(scene));
    };
    click(canvas.node_rect(5).center());
    QCOMPARE(opened.workspace.selection().heads(), std::vector<HeadId>({{1, 1}}));
    click(canvas.edge_middle(0)); // 0.0 to 1.0, q
    QCOMPARE(canvas.current_edge(), 0);
    QCOMPARE(opened.workspace.selection().heads(), std::vector<HeadId>({{0, 0}, {1, 0}}));
    QVERIFY(
        opened.view.findChild<QLabel*>(QStringLiteral("details"))->text().contains(QStringLiteral("0.0 → 1.0 (q)")));
    auto* patch = opened.view.findChild<QPushButton*>(QStringLiteral("patch"));
    QVERIFY(patch->isEnabled());
    QTest::mouseClick(patch, Qt::LeftButton);
    QCOMPARE(wishes.size(), 1);
    const auto wish = wishes[0][0].value<PatchWish>();
    QCOMPARE(wish.site, std::string("z"));
    QCOMPARE(wish.layer, 0);
    QCOMPARE(wish.head, std::optional<int>(0));
    QCOMPARE(views[0][0].toString(), QStringLiteral("patching"));
    // A head that is selected elsewhere is marked here.
    opened.workspace.selection().set_head({0, 1});
    QCOMPARE(canvas.selected(), std::vector<std::size_t>({2}));
  }

  void keys_go_along_the_edges_and_zoom() {
    Opened opened(small_graph());
    GraphCanvas& canvas = opened.view.canvas();
    QTest::keyClick(&canvas, Qt::Key_N);
    QCOMPARE(canvas.current_edge(), 0);
    QTest::keyClick(&canvas, Qt::Key_N);
    QCOMPARE(canvas.current_edge(), 1);
    QCOMPARE(opened.workspace.selection().head(), std::optional<HeadId>({1, 0}));
    QTest::keyClick(&canvas, Qt::Key_P);
    QTest::keyClick(&canvas, Qt::Key_P);
    QCOMPARE(canvas.current_edge(), 4);
    const double zoom = canvas.transform().m11();
    QTest::keyClick(&canvas, Qt::Key_Plus);
    QVERIFY(canvas.transform().m11() > zoom * 1.1);
    QTest::keyClick(&canvas, Qt::Key_0);
    QVERIFY(std::abs(canvas.transform().m11() - zoom) < 1e-9);
  }

  void a_node_that_is_dragged_stays_there() {
    Opened opened(small_graph());
    GraphCanvas& canvas = opened.view.canvas();
    const QPointF before = canvas.node_rect(2).center();
    const QPoint from = canvas.mapFromScene(before), to = from + QPoint(60, -25);
    QTest::mousePress(canvas.viewport(), Qt::LeftButton, {}, from);
    QTest::mouseMove(canvas.viewport(), from + QPoint(20, -10));
    QTest::mouseMove(canvas.viewport(), to);
    QTest::mouseRelease(canvas.viewport(), Qt::LeftButton, {}, to);
    const QPointF there = canvas.node_rect(2).center();
    QVERIFY((canvas.mapFromScene(there) - to).manhattanLength() < 6);
    QVERIFY(opened.view.graph().pinned(2));
    auto* controls = opened.view.findChild<CircuitControls*>();
    opened.view.set_threshold(0.2);
    controls->rightwards->trigger();
    controls->rightwards->trigger();
    QCOMPARE(canvas.node_rect(2).center(), there);
    controls->unpin->trigger();
    QCOMPARE(canvas.node_rect(2).center(), before);
  }

  void groups_move_nothing_else() {
    CircuitGraph graph(small_graph());
    const auto before = graph.layout().nodes;
    graph.group_layers();
    QCOMPARE(graph.shown().nodes.size(), 5U); // input, mlp, logits and two groups
    const std::size_t first = *graph.node_of(0, 0), second = *graph.node_of(1, 1);
    QVERIFY(graph.is_group(first) && graph.is_group(second));
    QCOMPARE(graph.layout().nodes[first].x, (before[1].x + before[2].x) / 2);
    QCOMPARE(graph.layout().nodes[0].x, before[0].x);
    QCOMPARE(graph.layout().nodes[0].y, before[0].y);
    // Of -2 and 0.5 between the two layers, the stronger edge represents both.
    QCOMPARE(graph.shown().edges.size(), 4U);
    QCOMPARE(graph.shown().edges[0].score, -2.0);
    graph.ungroup(first);
    QCOMPARE(graph.shown().nodes.size(), 6U);
    graph.ungroup_all();
    QCOMPARE(graph.shown().edges.size(), 5U);
  }

  void ablation_effects_are_a_graph() {
    HeadScores scores;
    scores.id = "ablation/zero";
    scores.title = "Ablation: zero";
    scores.units = "logit";
    scores.n_layers = 2;
    scores.n_heads = 3;
    scores.values = {0.0F, -1.5F, 0.25F, std::nanf(""), 0.75F, -0.1F};
    const store::Graph graph = ablation_graph(scores);
    QCOMPARE(graph.nodes.size(), 7U); // input, logits, the five that were measured
    QCOMPARE(graph.edges.size(), 10U);
    Workspace workspace;
    CircuitView view(workspace, nullptr);
    view.resize(700, 500);
    view.show();
    QVERIFY(!view.exported());
    workspace.scores().put(scores);
    QCOMPARE(view.graph().shown().nodes.size(), 7U);
    view.set_threshold(0.5);
    QCOMPARE(view.canvas().edge_count(), 4U); // to and from 0.1 and 1.1
    const auto exported = view.exported();
    QVERIFY(exported.has_value());
    QCOMPARE(exported->table->row_labels.size(), 4U);
    QCOMPARE(exported->table->values[4], -1.5);
  }

  void the_figure_shows_the_same_graph() {
    const store::Graph graph = small_graph();
    const figures::GraphFigure figure = graph_figure(graph, lay_out(graph), 0.3, "test");
    QCOMPARE(figure.edges.size(), 3U);
    QVERIFY(figure.nodes[3].faded && !figure.nodes[4].faded);
    const figures::RenderOptions options{0, 2.0, false, false};
    const auto layout = figures::layout(figure, options);
    QVERIFY2(layout.ok(), layout.ok() ? "" : layout.error().to_string().c_str());
    const auto pixels = figures::render_rgba(figure, options);
    QVERIFY(pixels.ok());
    const QImage image(pixels->rgba.data(), static_cast<int>(pixels->width), static_cast<int>(pixels->height),
                       QImage::Format_RGBA8888);
    // Without a title and with the natural size nodes keep their distances.
    QVERIFY(std::abs(layout->nodes[4].x - layout->nodes[5].x - (figure.nodes[4].x - figure.nodes[5].x)) < 1e-6);
    const figures::Rect head = layout->nodes[4];
    const QColor fill(QRgb(figures::node_ink(figures::NodeKind::head, false).fill));
    QVERIFY(nearest(image, QPointF(2 * head.x + 10, 2 * head.y + 8).toPoint(), fill) < 4);
    const auto c = figures::edge_curve(layout->nodes[1], layout->nodes[4], false);
    const QPointF middle((c[0].x + 3 * c[1].x + 3 * c[2].x + c[3].x) / 8,
                         (c[0].y + 3 * c[1].y + 3 * c[2].y + c[3].y) / 8);
    QVERIFY(nearest(image, (middle * 2).toPoint(), QColor(QRgb(figures::edge_color(-1, false)))) < 6);
    for (const figures::Format format : {figures::Format::svg, figures::Format::pdf})
      QVERIFY(figures::render_bytes(figure, format, options, {}).ok());
    figures::GraphFigure bad = figure;
    bad.edges[0].dst = 99;
    QCOMPARE(figures::layout(bad, options).error().code, ErrorCode::invalid_argument);
    QCOMPARE(figures::layout(figures::GraphFigure{}, options).error().code, ErrorCode::invalid_argument);
  }

  // Whatever the time that a sharp picture takes, every edge is to be seen meanwhile.
  void edges_stay_while_the_view_moves() {
    Opened opened(large_graph(50000));
    GraphCanvas& canvas = opened.view.canvas();
    opened.view.set_threshold(0.0);
    QTRY_VERIFY(canvas.settled());
    const auto there = [&](const QImage& image) {
      std::vector<std::size_t> out;
      for (std::size_t edge = 0; edge < canvas.edge_count(); edge += 250) {
        const QPoint at = canvas.mapFromScene(canvas.edge_middle(edge));
        if (image.rect().contains(at) && distance(image.pixelColor(at), inks().page) > 20) out.push_back(edge);
      }
      return out;
    };
    const std::size_t before = there(canvas.viewport()->grab().toImage()).size();
    QVERIFY(before > 60);
    canvas.zoom(1.02);
    const std::size_t moving = there(canvas.viewport()->grab().toImage()).size();
    QVERIFY2(moving > before * 8 / 10, qPrintable(QStringLiteral("%1 of %2").arg(moving).arg(before)));
    QTRY_VERIFY(canvas.settled());
    // Other edges are not mixed with those of before.
    opened.view.set_threshold(opened.view.graph().threshold_of(1));
    QTRY_VERIFY(canvas.settled());
    QVERIFY(there(canvas.viewport()->grab().toImage()).size() <= 1);
  }

  // As many edges as the default model has.
  void seventy_thousand_edges_do_not_hold_the_window_up() {
    test::EventStall stall;
    Opened opened(large_graph(70651), &stall);
    GraphCanvas& canvas = opened.view.canvas();
    stall.look();
    qInfo("longest stall while it is opened %.1f ms", stall.longest_ms());
    for (const double threshold : {0.0, 0.5, 0.01, 0.0}) {
      opened.view.set_threshold(threshold);
      stall.look();
      for (int step = 0; step < 4; ++step) {
        canvas.zoom(step % 2 ? 0.7 : 1.4);
        QTest::qWait(30);
        stall.look();
      }
    }
    const QPoint at = canvas.mapFromScene(canvas.node_rect(600).center());
    QTest::mousePress(canvas.viewport(), Qt::LeftButton, {}, at);
    for (int step = 1; step <= 6; ++step) {
      QTest::mouseMove(canvas.viewport(), at + QPoint(5 * step, 3 * step));
      QTest::qWait(15);
      stall.look();
    }
    QTest::mouseRelease(canvas.viewport(), Qt::LeftButton, {}, at + QPoint(30, 18));
    QTRY_VERIFY(canvas.settled());
    stall.look();
    qInfo("longest stall %.1f ms", stall.longest_ms());
    QVERIFY2(canvas.edge_count() == 20000, "more edges are drawn at once than the note says");
    std::vector<double> frames; // of a zoom, in milliseconds
    for (int step = 0; step < 61; ++step) {
      QElapsedTimer clock;
      clock.start();
      canvas.zoom(step % 20 < 10 ? 1.1 : 1 / 1.1);
      canvas.viewport()->repaint();
      frames.push_back(static_cast<double>(clock.nsecsElapsed()) / 1e6);
      QCoreApplication::processEvents();
    }
    std::sort(frames.begin(), frames.end());
    qInfo("a frame of a zoom %.1f ms, the slowest %.1f ms", frames[30], frames[60]);
    if (!headscope::test::timed()) QSKIP(headscope::test::not_timed);
    QVERIFY2(stall.longest_ms() <= 50.0, "the interface thread was busy for too long");
    QVERIFY2(frames[57] <= 1000.0 / 60.0, "a zoom has fewer than 60 frames a second");
  }
};

} // namespace headscope::gui

QTEST_MAIN(headscope::gui::CircuitTest)
#include "circuit_test.moc"
